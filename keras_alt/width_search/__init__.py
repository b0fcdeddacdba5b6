"""The width of each layer, chosen by what narrowing it does to the outputs."""

from keras_alt.width_search.allocation import allocate as allocate
from keras_alt.width_search.measurement import sensitivity as sensitivity
from keras_alt.width_search.table import Sensitivity as Sensitivity
