"""How an unset threshold is marked, and the check that all are set before they are trained."""

import math
import re

import numpy as np

from keras_alt.numerics.backend import numerics

# The log2 of a threshold that is not set. The scale is then infinite and its reciprocal 0, so that
# every output is 0 * infinity = NaN. It is not NaN, as in files of older versions, because JAX
# compares what several processes put into a variable by `==`, and NaN is not equal to itself.
UNSET = math.inf
THRESHOLDS = r".*log2_threshold"


def require_calibrated(variables):
    """Check that the log2 thresholds among `variables` are set.

    Values that the backend does not know while it traces a graph count as set.

    Raises:
        ValueError: some are not.
    """
    unset = [v.path for v in variables if re.fullmatch(THRESHOLDS, v.path) and _is_unset(v)]
    if not unset:
        return
    names = [path.removesuffix("/log2_threshold").removesuffix("_quantizer") for path in unset]
    shown = ", ".join(name.replace("__", "/") for name in names[:3])
    more = f" and {len(unset) - 3} more" if len(unset) > 3 else ""
    raise ValueError(
        "Every threshold must be set before training: call `keras_alt.calibrate(model, data)`, "
        "then `compile`. To retrain as in the paper, calibrate with "
        "`weights=keras_alt.calibration.three_sigma`. "
        f"Received: no threshold for {shown}{more}."
    )


def _is_unset(variable):
    value = numerics.concrete_value(variable)
    return value is not None and not np.isfinite(value).all()
