"""Calibration: thresholds from the histograms of what a model computes."""

from keras_alt.calibration.histogram import Histogram as Histogram
from keras_alt.calibration.thresholds import ThresholdRule as ThresholdRule
from keras_alt.calibration.thresholds import kl_j as kl_j
from keras_alt.calibration.thresholds import maximum as maximum
from keras_alt.calibration.thresholds import mse as mse
from keras_alt.calibration.thresholds import percentile as percentile
from keras_alt.calibration.thresholds import three_sigma as three_sigma
from keras_alt.calibration.workers import all_gather as all_gather
