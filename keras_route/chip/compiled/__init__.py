"""The search on the lattice, which numba compiles: import these modules where they are used."""
