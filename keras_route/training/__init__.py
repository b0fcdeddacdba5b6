"""How the networks of this package are trained."""
