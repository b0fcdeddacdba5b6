"""The command as `python -m keras_route.cli`."""

import sys

from keras_route.cli import main

sys.exit(main())
