"""LEF and DEF, the text formats of placed and routed designs."""

from keras_route.formats.lefdef.reading import Design, read_def
from keras_route.formats.lefdef.writing import write_def

__all__ = ["Design", "read_def", "write_def"]
