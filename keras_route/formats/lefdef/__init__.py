"""LEF and DEF, the text formats of placed and routed designs."""

from keras_route.formats.lefdef.library import read_technology
from keras_route.formats.lefdef.positions import Design, read_def
from keras_route.formats.lefdef.reading import read_design
from keras_route.formats.lefdef.writing import write_def

__all__ = ["Design", "read_def", "read_design", "read_technology", "write_def"]
