"""The quantizer function, its gradients, and how each backend computes them."""
