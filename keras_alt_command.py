"""What the installed command `keras-alt` starts: the command without the messages of libraries.

TensorFlow writes some while it is imported, whatever its log level, and each part of `keras_alt`
imports it. So this module lies beside the package.
"""

import logging
import os
import sys


def main() -> int:
    """Run the command; see `keras_alt.cli.main`. With `--debug`, libraries are heard too."""
    quiet = "--debug" not in sys.argv
    if quiet:
        _mute_libraries()
    try:
        from keras_alt.cli import main
    except KeyboardInterrupt:
        sys.stderr.write("\nkeras-alt: interrupted\n")
        return 130
    except Exception as error:  # such as a backend that is not installed
        if not quiet:
            raise
        text = " ".join(str(error).split())
        sys.stderr.write(f"keras-alt: Keras must start: {text}; `--debug` shows where\n")
        return 2
    if quiet:
        for library in ("absl", "tensorflow"):  # once imported
            logging.getLogger(library).setLevel(logging.ERROR)
    return main()


def _mute_libraries():
    """Drop what is written to stderr by C and C++; Python's errors and warnings stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    sys.stderr = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
