"""Quality and CPU time of nets beside obstacles: rule, networks, and the search for cheapest nets.

Example:

    python benchmarks/search_router.py
    python benchmarks/search_router.py --count 10 --models router_search_32 output/int8.keras
    python benchmarks/search_router.py --size 64 --window-um 22 --models router_search_64

Windows of the validation split have 0, 10, 20 or 40 % of their pixels blocked, and 2 to 10 pins.
Prints Markdown tables for all of them, for each blocked share, and for each number of pins. Cost
is what the search minimizes, as a multiple of what it finds. CPU time is that of the process, on
one thread, of the way from pins to `Net`; what is compiled is compiled before. Ways take turns on
each group of windows, twice, so that other load on the machine meets all of them; the shorter time
counts.

Ways without a network are: the layout rule, which does not see obstacles (on free windows alone);
the search; the search that joins the nearest pin first (`nearest first`), which is not exact; and
the search on the rows and columns of the pins and those beside them (`cross`), or in the whole
window if these do not join the pins.
"""

import argparse
import os
import sys
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# oneDNN convolutions are faster, but TensorFlow turns them off on processors without VNNI.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

import keras_alt  # noqa: F401 - registers the layers of quantized networks
from keras_route import Net, draw_net, route
from keras_route.models.loading import load_network
from keras_route.pins import PinSets
from keras_route.routing import maze
from keras_route.routing.pruned_search import pruned_search
from keras_route.training.search_evaluation import (
    SHARES,
    grouped,
    held_out_windows,
    searched_net,
)
from keras_route.training.search_labels import SearchFamily

ALL = "all"


def main():
    options = parse()
    warnings.filterwarnings("ignore", message=".*was trained on")
    family = SearchFamily(options.size, options.size, window_um=options.window_um)
    windows = held_out_windows(options.count, family=family)
    print(f"{len(windows)} windows", flush=True)
    methods = {
        "rule": by_rule,
        "search": searched,
        "nearest first": nearest_first,
        "cross": crossed,
        **{name: with_network(name) for name in options.models},
    }
    tables = measured(methods, windows)
    print_all(tables)
    for title, groups in (
        ("blocked", [f"{share:.0%} blocked" for share in SHARES]),
        ("pins", [f"{pins} pins" for pins in range(2, 11)]),
    ):
        for column, form in (("cost", ".4f"), ("ms", ".2f")):
            print(f"\n{column} by {title}\n")
            print_rows(
                [["", *groups]] + [cells(tables[n], n, groups, column, form) for n in tables]
            )


def by_rule(windows):
    return [
        Net.from_labels(draw_net(window.pins, **size_of(window)), window.pins, window_um=um(window))
        for window in windows
    ]


def size_of(window):
    height, width, _ = window.blocked.shape
    return {"height": height, "width": width}


def um(window):
    return window.net.window_um


def searched(windows):
    return [searched_net(window.pins, window.blocked, um(window)) for window in windows]


def nearest_first(windows):
    exact, maze.EXACT_PINS = maze.EXACT_PINS, 0
    try:
        return searched(windows)
    finally:
        maze.EXACT_PINS = exact


def crossed(windows):
    """Search without a network on the rows and columns of the pins."""
    blocked = np.stack([window.blocked for window in windows])
    scores = np.full((*blocked.shape[:3], 8), -np.inf, "float32")
    for score, window in zip(scores, windows, strict=True):
        for x, y in window.pins:
            score[max(y - 1, 0) : y + 2] = score[:, max(x - 1, 0) : x + 2] = 0
    pins = PinSets.of(window.pins for window in windows)
    labels = pruned_search(scores, pins, blocked, um(windows[0]))
    return [
        Net.from_labels(label, window.pins, window_um=um(window))
        for label, window in zip(labels, windows, strict=True)
    ]


def with_network(name):
    model = load_network(name)

    def routed(windows):
        blocked = np.stack([window.blocked for window in windows])
        pins, window_um = [window.pins for window in windows], um(windows[0])
        return route(model, pins, blocked=blocked, window_um=window_um, **size_of(windows[0]))

    return routed


def measured(methods, windows):
    """Return `{method: {group: (figures, ms per net)}}`; the rule has free windows only."""
    groups = {f"{share:.0%} blocked": [w for w in windows if w.share == share] for share in SHARES}
    for pins in range(2, 11):
        groups[f"{pins} pins"] = [w for w in windows if len(w.pins) == pins]
    tables = {}
    for name, method in methods.items():
        own = [window for window in windows if sees(method, window)]
        tables[name] = {key: (row, np.inf) for key, row in grouped(own, method(own)).items()}
    for _ in range(2):
        for key, members in groups.items():
            for name, method in methods.items():
                own = [window for window in members if sees(method, window)]
                if own:
                    started = time.process_time()
                    method(own)
                    ms = (time.process_time() - started) / len(own) * 1e3
                    row, least = tables[name][key]
                    tables[name][key] = row, min(least, ms)
    for table in tables.values():
        shares = [row for key, row in table.items() if key.endswith("blocked")]
        nets = [row.nets for row, _ in shares]
        table[ALL] = table[ALL][0], float(np.average([ms for _, ms in shares], weights=nets))
    return tables


def sees(method, window):
    return method is not by_rule or window.share == 0


def print_all(tables):
    rows = [["", "um", "cuts", "ohm", "cost", "cheapest", "legal", "CPU ms"]]
    for name, table in tables.items():
        figures, ms = table[ALL]
        rows.append(
            [
                name,
                f"{figures.um:.2f}",
                f"{figures.cuts:.2f}",
                f"{figures.ohm:.0f}",
                f"{figures.cost:.4f}",
                f"{figures.cheapest:.1%}",
                f"{figures.legal:.2%}",
                f"{ms:.2f}",
            ]
        )
    print_rows(rows)


def cells(table, name, groups, column, form):
    row = [name]
    for group in groups:
        figures, ms = table.get(group, (None, None))
        value = ms if column == "ms" or figures is None else getattr(figures, column)
        row.append("-" if value is None else format(value, form))
    return row


def print_rows(rows):
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    print(head, "|" + "---|" * len(rows[0]), *body, sep="\n")
    sys.stdout.flush()


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=30, help="windows of each kind")
    parser.add_argument("--size", type=int, default=32, help="rows and columns of a window")
    parser.add_argument("--window-um", type=float, default=11.0, help="its sides in micrometres")
    parser.add_argument("--models", nargs="+", default=["fcn_32", "router_32", "router_search_32"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
