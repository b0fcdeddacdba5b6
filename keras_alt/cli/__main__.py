"""The command as `python -m keras_alt.cli`."""

import sys

from keras_alt.cli import main

sys.exit(main())
