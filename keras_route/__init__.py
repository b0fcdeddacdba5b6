"""Routing of circuit nets with a fully convolutional network: not part of this version yet."""
