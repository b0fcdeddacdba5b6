"""What the subcommands of `keras-route` do."""

import contextlib
import dataclasses
import json
import pathlib
import sys
import warnings
from collections.abc import Sequence

import numpy as np

from keras_route.array_files import read_arrays
from keras_route.cli import chip, drc
from keras_route.cli.arguments import WRONG, parser
from keras_route.cli.tables import figures_table, layers_summary, nets_table, search_table
from keras_route.data.hdf5 import write_hdf5
from keras_route.data.random_nets import NetFamily
from keras_route.evaluation import evaluate
from keras_route.files import written_whole
from keras_route.formats.net_files import read_nets
from keras_route.formats.net_names import titles
from keras_route.formats.pin_files import read_pins
from keras_route.formats.writers import writer
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.models.loading import load_network
from keras_route.models.training_range import sees_obstacles, window_of_training
from keras_route.pins import needs_wires
from keras_route.progress import progress_bar, verbosity
from keras_route.random_design.files import write_random_design
from keras_route.routing.pins_to_nets import route
from keras_route.training.recipes import RECIPES
from keras_route.training.run import BEST, train
from keras_route.training.search_evaluation import WINDOW_KINDS, evaluate_search
from keras_route.training.search_labels import SearchFamily, write_search_labels

INTERRUPTED = 130  # exit status
MOST_TOLD = 10  # nets that need no wire
WINDOW = ("height", "width", "window_um")  # its options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        arguments: of the command line; by default, those of the process.

    Returns:
        0 for success; 1 if a net breaks a rule or is not routed; 2 for wrong input, with a line
        on stderr that says what to do; 130 if interrupted.
    """
    options = parser().parse_args(arguments)
    try:
        with _warnings_in_a_line(options.command):
            return COMMANDS[options.command](options)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nkeras-route {options.command}: interrupted\n")
        return INTERRUPTED
    except (ImportError, OSError, TypeError, ValueError) as error:
        _complain(options.command, error)
    except (MemoryError, OverflowError) as error:
        _complain(
            options.command,
            "The machine must have room for what is asked: choose a smaller window or batch, or "
            f"fewer nets or pins. Received: {error or type(error).__name__}",
        )
    return WRONG


@contextlib.contextmanager
def _warnings_in_a_line(command):
    """Print warnings without the place in the source that warns."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place, **line: _complain(command, message)
        yield


def _complain(command, message):
    sys.stderr.write(f"keras-route {command}: {' '.join(str(message).split())}\n")


def _generate(options):
    if options.labels == "search":
        nets = _given(options, SearchFamily)
        progress = progress_bar(options.count).update
        processes = options.processes
        write_search_labels(options.file, options.count, options.seed, processes, progress, **nets)
    else:
        nets = _given(options, NetFamily)
        write_hdf5(options.file, options.count, options.seed, options.batch_size, **nets)
    return 0


def _train(options):
    nets = _given(options, NetFamily)
    recipe = _recipe(options)
    train(recipe, options.folder, options.seed, options.validation, verbosity(), **nets)
    best = options.folder / BEST
    _say(f"The best network is {best}; see how good it is:\n\n    keras-route evaluate {best}")
    return 0


def _recipe(options):
    """Return the named recipe with the changes of the command line."""
    recipe = RECIPES[options.network]
    return dataclasses.replace(recipe, **_given(options, type(recipe), without=["network"]))


def _evaluate(options):
    model = load_network(options.model)
    nets = {**window_of_training(model), **_given(options, NetFamily)}
    if sees_obstacles(model):
        nets = _given(options, NetFamily)
    told = {"model": options.model, "count": options.count, "seed": options.seed, "nets": nets}
    target = contextlib.nullcontext() if options.json is None else written_whole(options.json)
    measured, table = (
        (_beside_obstacles, search_table)
        if sees_obstacles(model)
        else (_by_the_rule, figures_table)
    )
    with target as path:
        figures = measured(model, options, nets)
        if path is not None:
            values = {str(pins): dataclasses.asdict(value) for pins, value in figures.items()}
            pathlib.Path(path).write_text(json.dumps({**told, "figures": values}, indent=1))
    _say(table(figures))
    return 0


def _by_the_rule(model, options, nets):
    progress = progress_bar(options.count).update
    return evaluate(model, options.count, options.seed, options.batch_size, progress, **nets)


def _beside_obstacles(model, options, nets):
    others = [name for name in nets if name not in WINDOW]
    if others:
        raise ValueError(
            "Networks that see obstacles are measured with 2 to 10 pins, none twice, so there are "
            f"options for the size of windows only. Received: {', '.join(others)}"
        )
    each = max(1, round(options.count / WINDOW_KINDS))
    progress = progress_bar(each * WINDOW_KINDS).update
    return evaluate_search(model, each, options.seed, progress, **nets)


def _route(options):
    writers = {path: writer(path) for path in options.output}
    blocked = None if options.blocked is None else _mask(options.blocked)
    model = load_network(options.model)
    family = NetFamily(**{**window_of_training(model), **_given(options, NetFamily)})
    window = {name: getattr(family, name) for name in WINDOW}
    pins = read_pins(options.pins, window["height"], window["width"])
    nets = _routed(model, pins, blocked, window)
    _say(nets_table(nets))
    _say(layers_summary(nets))
    for path, write in writers.items():
        write(nets, path)
        _say(f"wrote {path}")
    legal = _legal(nets, blocked)
    _say(
        f"{legal} of {len(nets)} nets are connected and legal; {sum(n.repaired for n in nets)} "
        f"differ from the network's raw decision"
    )
    return 0 if legal == len(nets) else 1


def _routed(model, pins, blocked, window):
    """Return the nets of a file; those whose pins lie in one place have no wires."""
    wired = {name: array for name, array in pins.items() if needs_wires(array)}
    progress = progress_bar(len(wired)).update if wired else None
    routed = route(
        model,
        list(wired.values()),
        blocked=blocked,
        progress=progress,
        names=list(wired),
        **window,
    )
    found = dict(zip(wired, routed, strict=True))
    alone = [name for name in pins if name not in wired]
    if alone:
        named = ", ".join(alone[:MOST_TOLD]) + (", ..." if len(alone) > MOST_TOLD else "")
        _say(f"{len(alone)} nets need no wire, because their pins lie in one place: {named}")
    for name in alone:
        places = tuple(map(tuple, pins[name].tolist()))
        found[name] = Net(places, (), (), name=name, **window)
    return [found[name] for name in pins]


def _check(options):
    blocked = None if options.blocked is None else _mask(options.blocked)
    nets = read_nets(options.nets)
    legal = _legal(nets, blocked)
    _say(f"{legal} of {len(nets)} nets are connected and legal")
    return 0 if legal == len(nets) else 1


def _random_design(options):
    given = {name: value for name, value in vars(options).items() if name != "command"}
    for path in write_random_design(**given):
        _say(f"wrote {path}")
    return 0


def _legal(nets, blocked):
    """Print each violation; return the number of nets without one."""
    legal = 0
    for name, net in zip(titles(nets), nets, strict=True):
        violations = check(net, blocked)
        for violation in violations:
            _say(f"{name}: {violation}")
        legal += not violations
    return legal


def _mask(path):
    try:
        return np.asarray(read_arrays(path), bool)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "What is blocked is read from a .npy file that `numpy.save` wrote, booleans of shape "
            f"(height, width) or (height, width, 4). Received: {path}"
        ) from error


def _given(options, kind, without=()):
    """Return the given options that are fields of a dataclass; others keep their defaults."""
    names = {field.name for field in dataclasses.fields(kind)} - set(without)
    return {name: value for name, value in vars(options).items() if name in names}


def _say(text):
    sys.stdout.write(f"{text}\n")


COMMANDS = {
    "generate": _generate,
    "train": _train,
    "evaluate": _evaluate,
    "route": _route,
    "check": _check,
    "random-design": _random_design,
    "chip": chip.run,
    "drc": drc.run,
}
