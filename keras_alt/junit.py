"""Test results as JUnit XML, which continuous integration shows."""

import os
from dataclasses import dataclass
from xml.etree import ElementTree

from keras_alt.files import written_whole


@dataclass(frozen=True)
class Case:
    """One test.

    Attributes:
        name: of the test.
        text: what was found.
        failure: why it failed, in one line; None if it passed.
    """

    name: str
    text: str
    failure: str | None = None


def write_junit(path: str | os.PathLike, suite: str, cases: list[Case], seconds: float):
    """Write a test suite as a JUnit file, whole or not at all."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": "0",
        "time": f"{seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    parent = ElementTree.SubElement(root, "testsuite", {"name": suite, **counts})
    for case in cases:
        element = ElementTree.SubElement(parent, "testcase", classname=suite, name=case.name)
        if case.failure is not None:
            failure = ElementTree.SubElement(element, "failure", message=_valid(case.failure))
            failure.text = _valid(case.text)
        ElementTree.SubElement(element, "system-out").text = _valid(case.text)
    ElementTree.indent(root)
    with written_whole(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def _valid(text):
    """Return text without the control characters that XML cannot hold."""
    return "".join(c for c in text if c >= " " or c in "\n\t")
