"""Routing of circuit nets with a fully convolutional network: generate, learn, route, check."""

from keras_route import callbacks as callbacks
from keras_route import losses as losses
from keras_route import metrics as metrics
from keras_route.chip.whole_chip import route_chip as route_chip
from keras_route.data.dataset import NetDataset as NetDataset
from keras_route.data.hdf5 import HDF5Dataset as HDF5Dataset
from keras_route.data.hdf5 import write_hdf5 as write_hdf5
from keras_route.data.random_nets import draw_net as draw_net
from keras_route.data.random_nets import generate as generate
from keras_route.evaluation import evaluate as evaluate
from keras_route.formats.gds import write_gds as write_gds
from keras_route.formats.lefdef import write_def as write_def
from keras_route.layout.checking import check as check
from keras_route.layout.net import Net as Net
from keras_route.models import FCNRouter as FCNRouter
from keras_route.models import Router as Router
from keras_route.models import SearchRouter as SearchRouter
from keras_route.routing.pins_to_nets import route as route
