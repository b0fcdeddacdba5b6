"""Codes that do not depend on how an engine rounds: what can differ, and models that settle it."""

from keras_alt.robustness.report import robust as robust
from keras_alt.robustness.settling import settle as settle
