"""The rules of the code base, read off its syntax trees."""

import ast
import functools
import pathlib
import warnings

import pytest

pytestmark = pytest.mark.check

ROOT = pathlib.Path(__file__).parent.parent
MODULES = sorted([*ROOT.glob("keras_alt/**/*.py"), *ROOT.glob("keras_route/**/*.py")])
LAYERS = {
    "keras_alt": [
        {"formats", "numerics", "activations", "files", "handlers", "padding", "origin", "noise"}
        | {"keras_internals", "sparsity", "version", "text_tables", "differences"}
        | {"junit", "progress", "counterparts", "number_checks", "layer_names", "precision"}
        | {"choices", "array_files"},
        {"graph", "replacements", "resizing", "config", "targets", "training_rules"}
        | {"functions", "moves", "reductions", "exponentials"},
        {"record", "input_shapes"},
        {"quantizer"},
        {"layers", "quantized_model"},
        {"operators"},
        {"transforms"},
        {"planning", "masks", "unquantized", "costs"},
        {"calibration", "integer", "optimizers"},
        {"insertion", "callbacks", "registration"},
        {"quantize", "equalization"},
        {"report_tables", "float_rows", "refusals", "reporting", "tfmot", "engines"}
        | {"retargeting", "narrowing", "certificate", "width_search"}
        | {"fits", "layer_rows", "wiring", "pages", "drift"},
        {"export", "proving", "ties", "recipes", "comparison", "robustness"},
        {"local_rules"},
        {"engine_matrix", "opening"},
        {"verification", "comparing"},
        {"__init__"},
        {"cli"},
    ],
    "keras_route": [
        {"argument_checks", "files", "json_reading", "technology", "pins", "progress"}
        | {"array_files"},
        {"layout"},
        {"data", "models", "random_design"},
        {"losses", "metrics", "routing", "formats"},
        {"evaluation", "callbacks", "chip", "drc"},
        {"training"},
        {"__init__"},
        {"cli"},
    ],
}
RANK = {
    package: {name: rank for rank, names in enumerate(ranks) for name in names}
    for package, ranks in LAYERS.items()
}
LAZY = {
    *("tensorflow", "tf_keras", "tensorflow_model_optimization", "onnx"),
    *("h5py", "matplotlib", "gdstk", "klayout", "jinja2", "markupsafe", "numba"),
}
RUNS_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
# Functions are compiled where they are defined; others import these modules lazily.
COMPILED = ("keras_route/routing/compiled", "keras_route/chip/compiled")
BACKENDS = {"tensorflow.py", "tensorflow_cpu.py", "jax.py", "jax_cpu.py", "torch.py"}
DOOR = "keras_alt/keras_internals.py"
PRIVATE = {
    *("_functional", "_nodes_by_depth", "_keras_history", "_keras_mask"),
    *("_layers", "_flatten_layers", "_build_shapes_dict", "_inputs_struct", "_outputs_struct"),
    *("_trainable_variables", "_non_trainable_variables", "_kernel", "_compute_causal_padding"),
    *(
        "_initial_epoch",
        "_model_variables_moving_average",
        "_get_variable_index",
        "_backend_update_step",
        "_var_to_optimizer_idx",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def trees():
    """Keep the trees while these tests run only: a collection of garbage walks through them."""
    yield
    parsed.cache_clear()


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def imports(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module.count(".") == 0:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rule(check):
    """Make a test of a function that yields what is wrong with one module.

    The test reads all modules and names every offence with its file.
    """

    def test():
        found = [f"{path.relative_to(ROOT)}: {wrong}" for path in MODULES for wrong in check(path)]
        assert not found, "\n" + "\n".join(found)

    return test


def place(module):
    """Return the package of a module and the name that has a rank."""
    return module.relative_to(ROOT).with_suffix("").parts[:2]


@rule
def test_imports_point_down(module):
    package, name = place(module)
    for imported in imports(ast.walk(parsed(module))):
        parts = imported.split(".")
        if parts[0] in ("keras_alt", "keras_route"):
            if parts[0] != package:
                yield f"{package} must not import {imported}"
            elif len(parts) > 1 and RANK[package].get(parts[1], -1) > RANK[package].get(name, -1):
                yield f"{name} must not import {imported}, which is above it"


@rule
def test_every_module_has_a_rank(module):
    package, name = place(module)
    if name not in RANK[package]:
        yield f"{name} must be in LAYERS"


@rule
def test_foreign_packages_are_imported_where_they_are_used(module):
    if module.parent.name == "numerics" and module.name in BACKENDS:
        return
    if str(module.parent.relative_to(ROOT)) in COMPILED:
        return
    top = {name.split(".")[0] for name in imports(parsed(module).body)}
    for name in sorted(top & LAZY):
        yield f"{name} must be imported within the function that uses it"


@rule
def test_the_package_neither_prints_nor_asserts(module):
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Assert):
            yield f"assert in line {node.lineno}"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print":
            yield f"print in line {node.lineno}"


@rule
def test_nothing_of_a_file_is_unpickled_or_evaluated(module):
    tree = parsed(module)
    for name in sorted({name.split(".")[0] for name in imports(ast.walk(tree))} & RUNS_CODE):
        yield f"{name} must not be imported"
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if getattr(call.func, "id", None) in ("eval", "exec"):
            yield f"{call.func.id} in line {call.lineno}"
        for word in call.keywords:
            allowed = getattr(word.value, "value", None) is (word.arg == "safe_mode")
            # `keras_internals` makes layers from the configurations of a model in memory.
            allowed |= module.name == "keras_internals.py"
            if word.arg in ("allow_pickle", "safe_mode") and not allowed:
                yield f"{word.arg} in line {call.lineno}"


@rule
def test_a_module_says_what_it_is_for_and_stays_short(module):
    if not ast.get_docstring(parsed(module)):
        yield "no docstring"
    if (lines := len(module.read_text().splitlines())) > 350:
        yield f"{lines} lines, at most 350"
    if module.stem in {"utils", "helpers", "common", "base"}:
        yield "a name that says nothing"


@rule
def test_no_module_shares_its_name_with_what_it_is_imported_for(module):
    # `keras_alt.integer.widths` would be the module or the function, whichever came last.
    if module.name == "__init__.py" and module.parent.name != "transforms":
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.ImportFrom):
                stem = node.module.rpartition(".")[2]
                if any(alias.name == stem for alias in node.names):
                    yield f"{node.module} has the name of what it gives"


@rule
def test_private_attributes_of_keras_are_read_behind_one_door(module):
    if str(module.relative_to(ROOT)) != DOOR:
        for name in sorted(private_names(parsed(module))):
            yield f"{name} must be read in {DOOR}"


def private_names(tree):
    """Return the private attributes that a module reads, by a dot or by `getattr`."""
    nodes = list(ast.walk(tree))
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    by_name = [n.args[1] for n in calls if n.func.id in ("getattr", "hasattr", "setattr")]
    by_dot = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return PRIVATE & (by_dot | {node.value for node in by_name if isinstance(node, ast.Constant)})


def test_a_rule_names_every_offending_file():
    with pytest.raises(AssertionError, match=r"keras_alt/config\.py: no[\s\S]*targets\.py: no"):
        rule(lambda module: ["no"] if module.stem in {"config", "targets"} else [])()


@pytest.mark.parametrize("module", ["keras_alt.quantize", "keras_route.net"])
def test_a_warning_of_the_packages_is_an_error(module):
    with pytest.raises(UserWarning, match="beware"):
        warnings.warn_explicit("beware", UserWarning, "file.py", 1, module=module)
    with pytest.warns(UserWarning, match="beware"):
        warnings.warn_explicit("beware", UserWarning, "file.py", 1, module="elsewhere")
