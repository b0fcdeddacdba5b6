"""Scripts of a bundle: they run beside it, on another machine, without this package.

`verify.py` is the same in every bundle; the others are its `engine.py`, one for each engine.
"""
