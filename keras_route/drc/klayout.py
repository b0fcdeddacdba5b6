"""The one place that imports klayout."""

import importlib


def klayout(module: str = "db"):
    """Return `klayout.db` or another module of klayout.

    Raises:
        ImportError: klayout is not installed.
    """
    try:
        return importlib.import_module(f"klayout.{module}")
    except ImportError as error:
        raise ImportError(
            'Routed DEF files are checked by klayout: pip install "keras-alt[chip]".'
        ) from error
