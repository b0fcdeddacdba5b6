"""Callbacks for the training of quantized models."""

from keras_alt.callbacks.backup import Backup as Backup
from keras_alt.callbacks.best_checkpoint import BestCheckpoint as BestCheckpoint
from keras_alt.callbacks.freeze_batch_norm import FreezeBatchNorm as FreezeBatchNorm
from keras_alt.callbacks.freeze_oscillating import FreezeOscillating as FreezeOscillating
from keras_alt.callbacks.freeze_thresholds import FreezeThresholds as FreezeThresholds
from keras_alt.callbacks.prune import Prune as Prune
from keras_alt.callbacks.threshold_history import ThresholdHistory as ThresholdHistory
