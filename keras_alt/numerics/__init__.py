"""The quantizer function, its gradients, and their fusion on each backend."""
