"""Plain integers: the exported folder and the NumPy program that runs it."""
