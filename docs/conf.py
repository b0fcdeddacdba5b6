"""Settings of the documentation site, which `make docs` builds."""

import logging
import pathlib
import re
import runpy

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

ROOT = pathlib.Path(__file__).parent.parent

project = "keras-alt"
author = "The keras-alt developers"
copyright = author
version = release = runpy.run_path(str(ROOT / "keras_alt" / "version.py"))["__version__"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
# A glob of a toctree may match nothing. This warning has no type by which Sphinx could suppress it.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: "didn't match any documents" not in record.msg
)

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_output_stderr = "remove"

default_role = "code"  # `x` in a docstring is code, as in Markdown
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_math_renderer = "mathml"
html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"keras-alt {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp"

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)$")
INDENTED = re.compile(r"(?P<indent> *)(?P<text>\S.* .*:)\n\n(?P=indent) +\S")


def markdown_to_rst(app, what, name, obj, options, lines):
    """Rewrite the Markdown code blocks of a docstring as reStructuredText, in place."""
    rewritten, fence = [], None
    for number, line in enumerate(lines):
        found = FENCE.match(line)
        if found and fence is None:
            fence = found
            rewritten += ["", f"{found['indent']}.. code-block:: {found['language'] or 'text'}", ""]
        elif found:
            fence = None
            rewritten.append("")
        elif fence is not None:
            rewritten.append(f"    {line}" if line else line)
        elif INDENTED.match("\n".join(lines[number : number + 3])):
            rewritten.append(f"{line}:")
        else:
            rewritten.append(line)
    lines[:] = rewritten


def inline_formula(writer, node):
    """Write a formula as MathML, which browsers draw without a script and without a network."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def formula(writer, node):
    """Write a formula in a line of its own, with its number."""
    target = f' id="equation-{node["label"]}"' if node["label"] else ""
    number = f'<span class="eqno">({node["number"]})</span>' if node["number"] else ""
    text = tex2mathml(node.astext(), as_block=True)
    writer.body.append(f'<div class="math"{target}>{number}{text}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    # In front of napoleon, which has the default priority of 500.
    app.connect("autodoc-process-docstring", markdown_to_rst, priority=400)
