"""Show everything that the demo made on one page.

Example:

    python examples/demo_page.py --output output

Reads the results.json of `quickstart.py` and `route_nets.py` in the folders `quickstart` and
`route` of the output folder, and writes index.html beside them. Everything on the page is from
these files. Prints the path of the page.
"""

import argparse
import pathlib

import jinja2
from demo_results import read_results

TEMPLATE = "demo_page.html.jinja"
STEP = 1000  # from one unit of bytes to the next


def main():
    options = parse()
    page = options.output / "index.html"
    page.write_text(rendered(options.output), encoding="utf-8")
    print(f"\neverything on one page: {page}")


def rendered(folder):
    """Return the page of the results in a folder as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "size": size, "count": count}
    route = read_results(folder / "route")
    for net in route["drawn"] + route["around"]:
        net["svg"] = (folder / "route" / net["picture"]).read_text(encoding="utf-8")
    quickstart = read_results(folder / "quickstart")
    return environment.get_template(TEMPLATE).render(quickstart=quickstart, route=route)


def percent(share):
    return f"{share:.1%}"


def count(number):
    return f"{number:,}"


def size(number):
    """Return a number of bytes in the unit that suits it."""
    for unit in ("bytes", "kB"):
        if number < STEP:
            return f"{number:.3g} {unit}"
        number /= STEP
    return f"{number:.3g} MB"


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
