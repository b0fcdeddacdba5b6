"""A DEF file with its LEF files, as klayout reads them: flat shapes, each with its net."""

import collections
import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_route.drc.def_text import DefText
from keras_route.drc.klayout import klayout

OBSTRUCTION = 0  # number of the net of all shapes that belong to none
NET, ROLE = 1, 2  # keys of the properties of a shape
EXISTING, ROUTED = 0, 1  # roles
NO_PIN = -1
VIA_PREFIX, SPECIAL = "VIA_", ".SPECIAL"


@dataclasses.dataclass(frozen=True)
class FlatLayout:
    """Flat shapes of metal and cuts.

    Args:
        layers: names of the layers, from below.
        cell: klayout's cell with all shapes; its layers are numbered as in `layers`. Shapes have
            the property `NET`, the number of the net.
        existing, routed: the same for the shapes that were there before, and those of the wires.
        net_names: name of each number of a net.
        pins: name of each pin (component, pin), by its number.
        boxes: (n, 7) integers of the shapes of signal nets: layer, left, bottom, right, top, net,
            and pin or `NO_PIN`.
        via_counts: name of each cut layer to the number of vias of nets there.
        dbu_per_um: database units in a micrometre.
    """

    layers: tuple[str, ...]
    layout: object
    cell: object
    existing: object
    routed: object
    net_names: tuple[str, ...]
    pins: tuple[tuple[str, str], ...]
    boxes: np.ndarray
    via_counts: Mapping[str, int]
    dbu_per_um: int


def read_flat(
    path: str | os.PathLike,
    lefs: Sequence[str | os.PathLike],
    text: DefText,
    layers: Sequence[str],
) -> FlatLayout:
    """Read a DEF file by klayout and give each shape its net.

    Args:
        path: the DEF file.
        lefs: its LEF files.
        text: the nets of the DEF file.
        layers: names of routing and cut layers, from below.

    Raises:
        ImportError: klayout is not installed.
        ValueError: a pin of a net is missing, or klayout finds other vias than `text`.
    """
    source = _read(path, lefs, text.dbu_per_um)
    flat = _Flattening(source, text, layers)
    flat.add_top()
    flat.add_instances()
    flat.refuse_missing_pins()
    return flat.result()


def _read(path, lefs, dbu_per_um):
    kdb = klayout()
    options = kdb.LoadLayoutOptions()
    config = options.lefdef_config
    config.dbu = 1 / dbu_per_um
    config.read_lef_with_def = False
    # klayout looks for relative paths in the folder of the DEF file.
    config.lef_files = [os.path.abspath(lef) for lef in lefs]
    config.macro_resolution_mode = 1  # geometry of the LEF files, also of cells with FOREIGN
    config.net_property_name = "net"
    config.pin_property_name = "pin"
    config.instance_property_name = "component"
    config.special_routing_suffix = SPECIAL
    config.special_routing_datatype = 7
    layout = kdb.Layout()
    try:
        layout.read(os.fspath(path), options)
    except RuntimeError as error:
        raise ValueError(
            f"klayout must be able to read the DEF file with its LEF files: {error}. "
            f"Received: path={os.fspath(path)!r}, lefs={[os.fspath(lef) for lef in lefs]}"
        ) from error
    return layout


class _Flattening:
    """Collects the shapes of a layout under their nets."""

    def __init__(self, source, text, layers):
        kdb = klayout()
        self.source, self.text, self.layers = source, text, tuple(layers)
        self.layout = kdb.Layout()
        self.layout.dbu = source.dbu
        for number in range(len(layers)):
            self.layout.insert_layer(kdb.LayerInfo(number + 1, 0))
        self.cells = [self.layout.create_cell(name) for name in ("all", "existing", "routed")]
        names = dict.fromkeys(net.name for net in text.nets)
        self.net_names = ["obstruction", *names]
        self.net_numbers = {name: number + 1 for number, name in enumerate(names)}
        self.signals = {net.name for net in text.nets if not net.special}
        self.pins, self.boxes = [], []
        self.nets_of_pins, self.nets_of_all = {}, {}
        for net in text.nets:
            for component, pin in net.pins:
                if component == "*":
                    self.nets_of_all[pin] = net.name
                else:
                    self.nets_of_pins[component, pin] = net.name
        self.pin_numbers = {}
        self.properties = {}
        self.via_counts = collections.Counter()
        self.vias = collections.defaultdict(list)
        for net in text.nets:
            for via in net.vias:
                self.vias[via].append(net)

    def add(self, layer, shape, net, role, pin=NO_PIN):
        """Add one shape of a net."""
        if net not in self.properties:
            self.properties[net] = self.layout.properties_id([(NET, net)])
        for cell in (self.cells[0], self.cells[1 + role]):
            cell.shapes(layer).insert(shape, self.properties[net])
        if self.net_names[net] in self.signals:
            self.boxes += ((layer, *box, net, pin) for box in _boxes(shape))

    def shapes_of(self, cell):
        """Return (layer, shape, suffix, properties) of all shapes of metal and cuts of a cell."""
        found = []
        for index in self.source.layer_indexes():
            name, _, suffix = self.source.get_info(index).name.partition(".")
            if name not in self.layers or suffix == "LABEL":
                continue
            layer = self.layers.index(name)
            for shape in cell.shapes(index).each():
                if not shape.is_text():
                    found.append((layer, _plain(shape), suffix, shape.properties()))
        return found

    def add_top(self):
        """Add wires, and the pins of the design."""
        for layer, shape, suffix, properties in self.shapes_of(self.source.top_cell()):
            name = properties.get("net")
            net = self.net_numbers.get(name, OBSTRUCTION)
            if suffix == "PIN":
                key = ("PIN", properties["pin"])
                known = self.nets_of_pins.get(key)
                net = self.net_numbers[known] if known else self.lonely(key)
                self.add(layer, shape, net, EXISTING, self.number(key))
            else:
                role = ROUTED if name in self.signals and suffix == "" else EXISTING
                self.add(layer, shape, net, role)

    def add_instances(self):
        """Add cells and vias."""
        shapes = {}
        places = collections.Counter()
        for instance in self.source.top_cell().each_inst():
            cell = instance.cell
            if cell.name not in shapes:
                shapes[cell.name] = self.shapes_of(cell)
            if cell.name.startswith(VIA_PREFIX):
                for move in instance.cell_inst.each_trans():
                    place = (cell.name.removeprefix(VIA_PREFIX), move.disp.x, move.disp.y)
                    places[place] += 1
                    self.add_via(place, shapes[cell.name], move)
            else:
                component = instance.property("component")
                self.add_component(component, shapes[cell.name], instance.trans)
        expected = {place: len(nets) for place, nets in self.vias.items()}
        if places != expected:
            wrong = sorted(set(places.items()) ^ set(expected.items()))[:3]
            raise ValueError(
                "klayout and the text of the DEF file must have the same vias. Received: "
                f"differences (via, x, y), count: {wrong}"
            )

    def add_via(self, place, shapes, move):
        """Add a via for each net that has it; klayout gives it once for each."""
        for net in self.vias.get(place, ())[:1]:
            cuts = {self.layers[layer] for layer, *_ in shapes if layer % 2}
            special = net.special
            if not special:
                self.via_counts.update(cuts)
            for layer, shape, *_ in shapes:
                number = self.net_numbers[net.name]
                self.add(layer, shape.transformed(move), number, EXISTING if special else ROUTED)
        self.vias[place] = self.vias[place][1:] + self.vias[place][:1]

    def add_component(self, component, shapes, move):
        """Add pins and obstructions of a cell."""
        for layer, shape, suffix, properties in shapes:
            moved = shape.transformed(move)
            if suffix != "PIN":
                self.add(layer, moved, OBSTRUCTION, EXISTING)
                continue
            key = (component, properties["pin"])
            name = self.nets_of_pins.get(key) or self.nets_of_all.get(key[1])
            net = self.net_numbers[name] if name else self.lonely(key)
            self.add(layer, moved, net, EXISTING, self.number(key))

    def lonely(self, key):
        """Return the number of the net of a pin that is in no net."""
        name = f"unconnected {key[0]}/{key[1]}"
        if name not in self.net_numbers:
            self.net_numbers[name] = len(self.net_names)
            self.net_names.append(name)
        return self.net_numbers[name]

    def number(self, key):
        """Return the number of a pin."""
        if key not in self.pin_numbers:
            self.pin_numbers[key] = len(self.pins)
            self.pins.append(key)
        return self.pin_numbers[key]

    def refuse_missing_pins(self):
        """Raise an error if a net has a pin without a shape."""
        for key, name in self.nets_of_pins.items():
            if name in self.signals and key not in self.pin_numbers:
                raise ValueError(
                    "Each pin of a net must have shapes in the LEF files or the DEF file. "
                    f"Received: net {name!r} with the pin {key}"
                )

    def result(self):
        return FlatLayout(
            self.layers,
            self.layout,
            *self.cells,
            tuple(self.net_names),
            tuple(self.pins),
            np.array(self.boxes, "int64").reshape(-1, 7),
            dict(self.via_counts),
            self.text.dbu_per_um,
        )


def _plain(shape):
    """Return box or polygon of a shape."""
    if shape.is_box():
        return shape.box
    polygon = shape.polygon
    return polygon.bbox() if polygon.is_box() else polygon


def _boxes(shape):
    """Yield left, bottom, right, top of boxes that cover a rectilinear shape."""
    if hasattr(shape, "left"):
        yield shape.left, shape.bottom, shape.right, shape.top
        return
    for part in shape.decompose_trapezoids():
        box = part.bbox()
        yield box.left, box.bottom, box.right, box.top
