"""The networks: from an image of pins to scores of layers."""

from keras_route.models.fcn_router import FCNRouter as FCNRouter
from keras_route.models.router import Router as Router
