"""Plain integers: the folder, and the NumPy program that runs it."""
