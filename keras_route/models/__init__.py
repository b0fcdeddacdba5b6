"""The networks that turn an image of pins into scores of layers, and their presets."""

from keras_route.models.fcn_router import FCNRouter as FCNRouter
from keras_route.models.router import Router as Router
from keras_route.models.search_router import SearchRouter as SearchRouter
