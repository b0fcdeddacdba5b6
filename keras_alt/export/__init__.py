"""Files for other engines: one format each, all from the integer program of a model."""

from keras_alt.export.fitting import ExportError as ExportError
from keras_alt.export.hls4ml import to_hls4ml as to_hls4ml
from keras_alt.export.integers import to_integers as to_integers
from keras_alt.export.litert import to_litert as to_litert
from keras_alt.export.onnx import to_onnx as to_onnx
from keras_alt.export.qonnx import to_qonnx as to_qonnx
from keras_alt.export.saved_model import to_saved_model as to_saved_model
