"""The script that every bundle has: it runs beside it, on another machine, without this package.

Its `engine.py` is `device.py` of the engine's folder.
"""
