"""The technology as data: its layers, and what wires and vias cost."""
