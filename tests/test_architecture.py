"""The rules of the code base, read off its syntax trees."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
MODULES = sorted([*ROOT.glob("keras_alt/**/*.py"), *ROOT.glob("keras_route/**/*.py")])
LAYERS = {
    "keras_alt": [
        {"formats", "numerics", "activations", "files", "handlers", "padding", "origin"}
        | {"keras_internals", "sparsity", "version"},
        {"graph", "replacements", "config", "targets"},
        {"record"},
        {"quantizer"},
        {"layers"},
        {"operators"},
        {"transforms"},
        {"planning", "masks"},
        {"calibration", "integer", "optimizers"},
        {"insertion", "callbacks"},
        {"quantize", "unquantized"},
        {"report_tables", "reporting", "retargeting", "tfmot", "engines"},
        {"export", "verification"},
        {"__init__"},
    ],
    "keras_route": [
        {"files", "technology", "pins"},
        {"layout"},
        {"data", "models"},
        {"losses", "metrics", "routing", "formats"},
        {"evaluation", "callbacks", "chip"},
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
    *("h5py", "matplotlib", "gdstk", "klayout"),
}
BACKENDS = {"tensorflow.py", "jax.py", "torch.py"}
DOOR = "keras_alt/keras_internals.py"
PRIVATE = {
    *("_functional", "_nodes_by_depth", "_keras_history", "_keras_mask"),
    *("_layers", "_flatten_layers", "_build_shapes_dict", "_inputs_struct", "_outputs_struct"),
    *("_trainable_variables", "_non_trainable_variables", "_kernel", "_compute_causal_padding"),
    *("_get_variable_index", "_backend_update_step", "_var_to_optimizer_idx"),
}


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


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request):
    return request.param


def test_imports_point_down(module):
    package, name = module.relative_to(ROOT).with_suffix("").parts[:2]
    for imported in imports(ast.walk(parsed(module))):
        parts = imported.split(".")
        if parts[0] in ("keras_alt", "keras_route"):
            assert parts[0] == package, f"{package} must not import {imported}"
            if len(parts) > 1 and parts[1] in RANK[package]:
                assert RANK[package][parts[1]] <= RANK[package][name]


def test_every_module_has_a_rank(module):
    package, name = module.relative_to(ROOT).with_suffix("").parts[:2]
    assert name in RANK[package]


def test_foreign_packages_are_imported_where_they_are_used(module):
    if module.parent.name == "numerics" and module.name in BACKENDS:
        return
    top = {name.split(".")[0] for name in imports(parsed(module).body)}
    assert not top & LAZY


def test_the_package_neither_prints_nor_asserts(module):
    for node in ast.walk(parsed(module)):
        assert not isinstance(node, ast.Assert)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print"


def test_a_module_says_what_it_is_for_and_stays_short(module):
    assert ast.get_docstring(parsed(module))
    assert len(module.read_text().splitlines()) <= 350
    assert module.stem not in {"utils", "helpers", "common", "base"}


def test_private_attributes_of_keras_are_read_behind_one_door():
    readers = {str(path.relative_to(ROOT)) for path in MODULES if private_names(parsed(path))}
    assert readers == {DOOR}


def private_names(tree):
    """Return the private attributes that a module reads, by a dot or by `getattr`."""
    nodes = list(ast.walk(tree))
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    by_name = [n.args[1] for n in calls if n.func.id in ("getattr", "hasattr", "setattr")]
    by_dot = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return PRIVATE & (by_dot | {node.value for node in by_name if isinstance(node, ast.Constant)})
