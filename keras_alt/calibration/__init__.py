"""Histograms, the rules that choose thresholds from them, and the walk that applies them."""

from keras_alt.calibration.histogram import Histogram as Histogram
from keras_alt.calibration.thresholds import kl_j as kl_j
from keras_alt.calibration.thresholds import maximum as maximum
from keras_alt.calibration.thresholds import mse as mse
from keras_alt.calibration.thresholds import percentile as percentile
from keras_alt.calibration.thresholds import three_sigma as three_sigma
