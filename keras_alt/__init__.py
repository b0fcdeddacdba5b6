"""Trained fixed-point quantization for Keras 3."""

import importlib

from keras_alt import calibration as calibration
from keras_alt import callbacks as callbacks
from keras_alt import export as export
from keras_alt import integer as integer
from keras_alt import layers as layers
from keras_alt import optimizers as optimizers
from keras_alt import recipes as recipes
from keras_alt.calibration.statistics import refresh_batch_norm as refresh_batch_norm
from keras_alt.calibration.walk import calibrate as calibrate
from keras_alt.certificate import check_certificate as check_certificate
from keras_alt.comparing import compare as compare
from keras_alt.config import QuantizeConfig as QuantizeConfig
from keras_alt.equalization import drop_caps as drop_caps
from keras_alt.equalization import equalize as equalize
from keras_alt.formats import FixedPoint as FixedPoint
from keras_alt.masks import sparsity_masks as sparsity_masks
from keras_alt.narrowing import narrow as narrow
from keras_alt.numerics.function import fake_quant as fake_quant
from keras_alt.quantize import quantize_model as quantize_model
from keras_alt.quantizer import Quantizer as Quantizer
from keras_alt.quantizer import quantizers as quantizers
from keras_alt.registration import register as register
from keras_alt.reporting import report as report
from keras_alt.retargeting import retarget as retarget
from keras_alt.robustness import robust as robust
from keras_alt.robustness import settle as settle
from keras_alt.transforms.unroll_recurrent import unroll as unroll
from keras_alt.verification import verify as verify
from keras_alt.version import __version__ as __version__
from keras_alt.width_search import Sensitivity as Sensitivity
from keras_alt.width_search import allocate as allocate
from keras_alt.width_search import sensitivity as sensitivity


def __getattr__(name):
    # `keras_alt.tfmot` needs tensorflow-model-optimization, so it is imported on first use.
    if name == "tfmot":
        return importlib.import_module("keras_alt.tfmot")
    raise importlib.import_module("keras_alt.counterparts").missing(__name__, name)
