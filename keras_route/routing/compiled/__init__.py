"""Searches that numba compiles: import these modules where they are used."""
