"""A routed net: its pins, and the wires and vias that join them."""

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from operator import index

import numpy as np

from keras_route.files import written_whole
from keras_route.json_reading import load_json
from keras_route.layout import parts, pictures
from keras_route.layout.parts import Via, Wire
from keras_route.layout.resistor_network import resistance_between, resistors
from keras_route.layout.steiner import steiner_length
from keras_route.technology.layers import LAYERS, METALS, PIN_VIA, VIAS, ViaLayer


@dataclasses.dataclass(frozen=True)
class Net:
    """The pins of a net and what joins them.

    A pin lies on m2, below all layers of a label image. A stack of vias joins it with the lowest
    metal that the net has at its pixel (`landing`). Only the net's own vias reach higher metals.

    Args:
        pins: `(x, y)` of each pin, in pixels.
        wires: the wires; those of `from_labels` are maximal runs.
        vias: the vias, without the stacks below the pins.
        height: pixels of the window along y.
        width: pixels of the window along x.
        window_um: size of the window in micrometres, in both directions.
        name: the net's name in files.
        changed: number of pixels of the label image that differ from the network's decision.
    """

    pins: tuple[tuple[int, int], ...]
    wires: tuple[Wire, ...]
    vias: tuple[Via, ...]
    height: int = 32
    width: int = 32
    window_um: float = 11.0
    name: str = ""
    changed: int = 0

    @classmethod
    def from_labels(
        cls,
        labels,
        pins: Iterable[Sequence[int]] | np.ndarray | None = None,
        **attributes,
    ) -> "Net":
        """Return the net of a label image, with a wire for each maximal run along its layer.

        Args:
            labels: (height, width, 8) array of zeros and ones, layers in the order of `LAYERS`.
            pins: `(x, y)` of each pin, in the order to keep; a pin array will do. By default, the
                pins of the image, row by row.
            attributes: further arguments of `Net`: `window_um`, `name`, `changed`.

        Raises:
            TypeError: a pin is not two integers.
            ValueError: `labels` has another shape or other values.
        """
        labels = parts.checked_labels(labels)
        if pins is None:
            pins = zip(*np.nonzero(labels[..., 0])[::-1], strict=True)
        height, width, _ = labels.shape
        return cls(
            pins=tuple((index(x), index(y)) for x, y in pins),
            wires=tuple(parts.wires(labels)),
            vias=tuple(parts.vias(labels)),
            height=height,
            width=width,
            **attributes,
        )

    def to_labels(self) -> np.ndarray:
        """Return the label image, a (height, width, 8) array of uint8.

        Raises:
            ValueError: something lies outside the window.
        """
        outside = self.outside()
        if outside:
            raise ValueError(
                f"Everything in a net must lie inside its window of {self.width} columns and "
                f"{self.height} rows: enlarge `width` and `height`, or move it. "
                f"Received: {outside[0]}"
            )
        labels = np.zeros((self.height, self.width, len(LAYERS)), "uint8")
        for x, y in self.pins:
            labels[y, x, 0] = 1
        for wire in self.wires:
            rows, columns = slice(wire.y0, wire.y1 + 1), slice(wire.x0, wire.x1 + 1)
            labels[rows, columns, METALS[wire.layer].channel] = 1
        for via in self.vias:
            labels[via.y, via.x, VIAS[via.layer].channel] = 1
        return labels

    def merged(self) -> "Net":
        """Return the same net with each maximal run as one wire.

        Raises:
            ValueError: something lies outside the window.
        """
        merged = Net.from_labels(self.to_labels())
        return dataclasses.replace(self, wires=merged.wires, vias=merged.vias)

    def outside(self) -> list[tuple[int, int] | Wire | Via]:
        """Return the pins, wires and vias that do not lie inside the window."""
        return [
            *((x, y) for x, y in self.pins if not self._holds(x, y)),
            *(w for w in self.wires if not (self._holds(w.x0, w.y0) and self._holds(w.x1, w.y1))),
            *(via for via in self.vias if not self._holds(via.x, via.y)),
        ]

    def _holds(self, x: int, y: int) -> bool:
        return 0 <= x < self.width and 0 <= y < self.height

    def landing(self, x: int, y: int) -> str | None:
        """Return the lowest metal at a pixel, on which a pin lands; None without metal."""
        layers = {w.layer for w in self.wires if w.x0 <= x <= w.x1 and w.y0 <= y <= w.y1}
        return min(layers, default=None)

    def stack(self, x: int, y: int) -> tuple[ViaLayer, ...]:
        """Return the via layers between a pin and its landing metal, from m2 upwards."""
        landing = self.landing(x, y)
        if landing is None:
            return ()
        return tuple(via for via in (PIN_VIA, *VIAS.values()) if via.above <= landing)

    def cuts(self) -> list[tuple[ViaLayer, int, int]]:
        """Return (layer, x, y) of every via, including the stacks below the pins."""
        stacks = [(via, x, y) for x, y in dict.fromkeys(self.pins) for via in self.stack(x, y)]
        return [*stacks, *((VIAS[via.layer], via.x, via.y) for via in self.vias)]

    @property
    def pin_array(self) -> np.ndarray:
        """The pins as a pin array, see `keras_route.pins`."""
        return np.array(self.pins, np.int64).reshape(-1, 2)

    @property
    def repaired(self) -> bool:
        """Whether the net differs from the network's decision."""
        return self.changed > 0

    @property
    def um_per_px(self) -> tuple[float, float]:
        """Micrometres of a pixel along x and along y."""
        return self.window_um / self.width, self.window_um / self.height

    @property
    def wire_length(self) -> float:
        """Length of all wires in micrometres, between the centres of their end pixels."""
        return sum(self.wire_lengths.values())

    @property
    def wire_lengths(self) -> dict[str, float]:
        """Length of the wires of each metal in micrometres; metals without wires have 0."""
        lengths = dict.fromkeys(METALS, 0.0)
        x_um, y_um = self.um_per_px
        for wire in self.wires:
            lengths[wire.layer] += (wire.x1 - wire.x0) * x_um + (wire.y1 - wire.y0) * y_um
        return lengths

    @property
    def via_counts(self) -> dict[str, int]:
        """Number of vias of each layer, without the stacks below the pins."""
        counts = dict.fromkeys(VIAS, 0)
        for via in self.vias:
            counts[via.layer] += 1
        return counts

    @property
    def steiner_length(self) -> float:
        """Length in micrometres of the shortest rectilinear tree that joins the pins.

        Raises:
            ValueError: there are more pins than an exact search can take.
        """
        x_um, y_um = self.um_per_px
        return steiner_length([(x * x_um, y * y_um) for x, y in self.pins])

    def resistance(
        self, pin_a: tuple[int, int] | None = None, pin_b: tuple[int, int] | None = None
    ) -> float:
        """Return the resistance in ohm between two pins, or the sum of all resistances.

        Wires and vias count, and so do the stacks between the pins on m2 and their landing metals.
        Two pins that one straight wire joins have its `wire_resistance`.

        Args:
            pin_a: `(x, y)` of a pin of the net.
            pin_b: `(x, y)` of another pin. Without pins, the result is the sum of all resistors.

        Returns:
            Ohm; infinite if nothing joins the pins.

        Raises:
            ValueError: only one pin is given, or one is not a pin of the net.
        """
        network = resistors(self.merged())
        if pin_a is None and pin_b is None:
            return sum(ohm for _, _, ohm in network)
        if pin_a is None or pin_b is None or not {tuple(pin_a), tuple(pin_b)} <= set(self.pins):
            raise ValueError(
                "Resistance is measured between two pins of the net, which has "
                f"{list(self.pins)}; without pins, all of it is summed. "
                f"Received: pin_a={pin_a}, pin_b={pin_b}"
            )
        return resistance_between(network, ("m2", *pin_a), ("m2", *pin_b))

    def to_svg(self, path: str | os.PathLike) -> None:
        """Write a picture as SVG, in the published colours."""
        pictures.write_svg(self, path)

    def to_png(self, path: str | os.PathLike) -> None:
        """Write a picture as PNG, in the published colours.

        Raises:
            ImportError: matplotlib is not installed.
        """
        pictures.write_png(self.to_labels(), path)

    def to_json(self, path: str | os.PathLike) -> None:
        """Write the net as JSON, which `from_json` reads."""
        with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(self), file, default=np.generic.item)

    @classmethod
    def from_json(cls, path: str | os.PathLike) -> "Net":
        """Return the net that `to_json` wrote.

        Raises:
            ValueError: `to_json` did not write the file.
        """
        try:
            with open(path, encoding="utf-8") as file:
                return cls.from_dict(load_json(file))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A net is read from a JSON file written by `Net.to_json`. "
                f"Received: path={os.fspath(path)!r} ({error})"
            ) from error

    @classmethod
    def from_dict(cls, fields: dict) -> "Net":
        """Return the net with these fields, as JSON has them.

        Raises:
            KeyError, TypeError, ValueError: the fields are not those of a net.
        """
        # Older files have `repaired`, which follows from `changed`.
        fields = {name: value for name, value in fields.items() if name != "repaired"}
        return cls(
            **{
                **fields,
                "pins": tuple((x, y) for x, y in fields["pins"]),
                "wires": tuple(Wire(**wire) for wire in fields["wires"]),
                "vias": tuple(Via(**via) for via in fields["vias"]),
            }
        )
