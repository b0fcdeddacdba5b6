"""The script `verify.py` that every bundle contains.

It runs on another machine without this package. It imports `engine.py` of the bundle, a copy of
`device.py` from the engine's folder.
"""
