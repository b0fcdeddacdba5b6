"""Callbacks for the training of routers."""

from keras_route.callbacks.best_f1_checkpoint import BestF1Checkpoint as BestF1Checkpoint
from keras_route.callbacks.route_preview import RoutePreview as RoutePreview
from keras_route.callbacks.training_curves import TrainingCurves as TrainingCurves
