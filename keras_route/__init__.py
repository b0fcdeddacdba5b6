"""Routing of circuit nets with a fully convolutional network: generate, learn, route, check."""

from keras_route import callbacks as callbacks
from keras_route import losses as losses
from keras_route import metrics as metrics
from keras_route.checking import check as check
from keras_route.dataset import NetDataset as NetDataset
from keras_route.evaluation import evaluate as evaluate
from keras_route.gds import write_gds as write_gds
from keras_route.lefdef import write_def as write_def
from keras_route.models import FCNRouter as FCNRouter
from keras_route.models import Router as Router
from keras_route.net import Net as Net
from keras_route.nets import draw_net as draw_net
from keras_route.nets import generate as generate
from keras_route.routing import route as route
from keras_route.storage import HDF5Dataset as HDF5Dataset
from keras_route.storage import write_hdf5 as write_hdf5
