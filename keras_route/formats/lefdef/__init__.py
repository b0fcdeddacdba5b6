"""LEF and DEF, the text formats of placed and routed designs."""

from keras_route.formats.lefdef.guides import Guide, read_guides, write_guides
from keras_route.formats.lefdef.library import read_technology
from keras_route.formats.lefdef.positions import Design, read_def
from keras_route.formats.lefdef.reading import read_design
from keras_route.formats.lefdef.routed_writing import write_routed
from keras_route.formats.lefdef.wires_reading import read_wires
from keras_route.formats.lefdef.writing import write_def

__all__ = [
    "Design",
    "Guide",
    "read_def",
    "read_design",
    "read_guides",
    "read_technology",
    "read_wires",
    "write_def",
    "write_guides",
    "write_routed",
]
