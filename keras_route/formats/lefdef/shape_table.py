"""The table of all shapes of a design, filled by arrays."""

import numpy as np

from keras_route.layout.design import NO_NET, Shapes


class ShapeTable:
    """Collects shapes.

    Args:
        order: name of each layer of the technology to its index.
        known: names of all layers of the LEF files; shapes on other layers than the technology's
            are left out.
    """

    def __init__(self, order: dict[str, int], known):
        self.order, self.known = order, known
        self.parts: list[tuple[np.ndarray, ...]] = []

    def index(self, layer: str, place) -> int:
        """Return the index of a layer, -1 for one that is not of the technology.

        Raises:
            ValueError: no LEF file has the layer.
        """
        if layer not in self.known:
            raise place.error(
                "A layer of a design is one of the LEF files: add the file that has it.",
                f"layer {layer} of {' '.join(place.words[:2])}",
            )
        return self.order.get(layer, -1)

    def add(self, layer, box, net=NO_NET, pin=-1) -> None:
        """Add shapes: arrays of one length (boxes: (n, 4)), or numbers that hold for all."""
        box = np.asarray(box, np.int64).reshape(-1, 4)
        columns = (np.broadcast_to(np.asarray(c, np.int64), len(box)) for c in (layer, net, pin))
        layer, net, pin = columns
        there = layer >= 0
        self.parts.append((layer[there], box[there], net[there], pin[there]))

    def shapes(self) -> Shapes:
        """Return all shapes."""
        if not self.parts:
            empty = np.zeros(0, np.int64)
            return Shapes(empty, empty.reshape(0, 4), empty, empty)
        layer, box, net, pin = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        return Shapes(layer, box, net, pin)
