"""Exporters of quantized models, one for each file format."""

from keras_alt.engines.c.export import to_c as to_c
from keras_alt.engines.fitting import ExportError as ExportError
from keras_alt.engines.hls4ml.export import to_hls4ml as to_hls4ml
from keras_alt.engines.integer.export import to_integers as to_integers
from keras_alt.engines.litert.export import to_litert as to_litert
from keras_alt.engines.onnxruntime.export import to_onnx as to_onnx
from keras_alt.engines.qonnx.export import to_qonnx as to_qonnx
from keras_alt.export.saved_model import to_saved_model as to_saved_model
