"""Exported C computes the trained integers, and is what its documents promise."""

import re
import shutil
import subprocess

import exported
import keras
import layer_zoo
import models
import pytest
from c_programs import STRICT, strict_compiler  # noqa: F401
from conftest import pairs, sample
from exported import assert_exact, assert_refused, quantized, small
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as L
from random_networks import quantized_networks

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.export import to_c
from keras_alt.integer import NotIntegerError
from keras_alt.targets import TARGETS

pytestmark = pytest.mark.usefixtures("strict_compiler")
SIZES = [(3, 4, 5, 2), (8, 4), (6, 6, 4)]


def long(target, size):
    return [pytest.mark.full] * (len(size) == 3 or target in ("onnx", "hls"))


@pytest.mark.parametrize(("target", "size"), pairs(TARGETS, SIZES, long))
def test_every_layer_of_the_zoo_is_exact(target, size, rng):
    network = layer_zoo.network(size=size, target=target)
    assert_exact(*quantized(network, rng, target), "c")


@pytest.mark.parametrize("name", layer_zoo.FLOATS["tflm"])
def test_a_softmax_is_float_for_tflm_and_refused_by_name(name, rng, tmp_path):
    model, _ = quantized(layer_zoo.network(name, "conv2d_wide"), rng, "tflm")
    (row,) = [row for row in keras_alt.report(model).floats if "softmax" in row.name]
    assert_refused(to_c, model, tmp_path, f"float layers {row.name}", NotIntegerError)


@pytest.mark.parametrize("target", ["paper", pytest.param("litert", marks=pytest.mark.full)])
@pytest.mark.parametrize("scales", ["tensor", "channel"])
@pytest.mark.parametrize("bits", [2, pytest.param(4, marks=pytest.mark.full)])
def test_narrow_weights_are_exact(target, scales, bits, rng):
    widths = {"weights": bits, "first_and_last_weights": bits, "weight_scales": scales}
    layers = ["conv1d_same", "depthwise_1d", "transposed_1d", "conv1d_groups", "dense_on_lines"]
    network = layer_zoo.network(*layers, size=(8, 4))
    assert_exact(*quantized(network, rng, target, **widths), "c")


@settings(max_examples=settings().max_examples // 10)
@given(quantized_networks(st.sampled_from(sorted(TARGETS))))
def test_random_networks_are_exact(drawn):
    assert_exact(*drawn, "c")


def files(model, folder, **options):
    to_c(model, folder / "c", name="net", **options)
    return {path.name: path.read_text() for path in (folder / "c").iterdir()}


def ran(folder, compiler="cc", flags=STRICT):
    """Compile the self-test and run it."""
    sources = [folder / "c" / name for name in ("net.c", "net_test.c")]
    command = [compiler, "-std=c99", *flags.split(), *sources, "-o", folder / "test"]
    subprocess.run(command, check=True)
    return subprocess.run([folder / "test"], capture_output=True, text=True, check=False)


def test_the_self_test_passes_and_finds_a_wrong_code(rng, tmp_path):
    model, x = small(rng, "litert")
    text = files(model, tmp_path, x=x[:5])["net_test.c"]
    done = ran(tmp_path)
    assert (done.returncode, done.stdout) == (0, "0 of 15 codes differ\n")

    first = re.search(r"(out_\w+\[15\] = \{\s+)(-?\d+)", text)
    wrong = text.replace(first[0], f"{first[1]}{int(first[2]) + 1}")
    (tmp_path / "c" / "net_test.c").write_text(wrong)
    done = ran(tmp_path)
    assert (done.returncode, done.stdout) == (1, "1 of 15 codes differ\n")


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O2", "-O3"])
def test_compilers_and_levels_agree(name, level, rng, tmp_path):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    files(quantized(models.residual(), rng, "paper")[0], tmp_path)
    assert ran(tmp_path, name, f"{STRICT} {level}").returncode == 0


def test_a_residual_network_is_clean_under_sanitizers(rng, tmp_path):
    files(quantized(models.residual(), rng, "litert")[0], tmp_path)
    flags = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"
    done = ran(tmp_path, flags=f"{STRICT} {flags}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["paper", "litert"])
def test_a_file_has_integers_only(target, rng, tmp_path):
    texts = files(quantized(models.leaky(), rng, target)[0], tmp_path)
    text = texts["net.h"] + texts["net.c"]
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert set(re.findall(r"#include (\S+)", code)) == {"<stdint.h>", '"net.h"'}
    assert not re.search(r"\b(float|double|malloc|long)\b|\d\.\d", code)
    functions = re.findall(r"^static [\w ]+ (\w+)\(", code, re.MULTILINE)
    assert len(functions) > 5
    assert all(len(re.findall(rf"\b{name}\b", code)) > 1 for name in functions)
    assert max(map(len, text.splitlines())) < 200


def test_the_header_states_the_memory(rng, tmp_path):
    """The memory is one array, and constants have the bytes of their codes."""
    model, _ = small(rng, "litert", weights=4, first_and_last_weights=4)
    texts = files(model, tmp_path)
    numbers = dict(re.findall(r"#define NET_(\w+) (\d+)", texts["net.h"]))
    sizes = {"8": 1, "16": 2, "32": 4, "64": 8}
    members = re.findall(r"^ +u?int(\d+)_t \w+\[(\d+)\];", texts["net.c"], re.MULTILINE)
    assert {int(count) * sizes[bits] for bits, count in members} == {int(numbers["ARENA_BYTES"])}
    arrays = re.findall(r"static const u?int(\d+)_t (\w+)\[(\d+)\]", texts["net.c"])
    bytes = {name: int(count) * sizes[bits] for bits, name, count in arrays}
    assert bytes["conv_kernel"] == 3 * 3 * 3 * 4 // 2
    assert bytes["head_kernel"] == 2 * 2 * 4 * 3 // 2
    window = 4 * 20
    assert sum(bytes.values()) + window == int(numbers["CONSTANT_BYTES"])
    assert "Float layers" not in texts["net.h"]


def test_the_header_tells_grids_and_float_layers(rng, tmp_path):
    x = inputs = keras.Input((4, 4, 3), name="photo")
    x = L.Conv2D(4, 3)(L.Rescaling(0.5, name="halve")(x))
    outputs = L.Softmax(name="shares")(L.Dense(5, name="scores")(L.Flatten()(x)))
    model, _ = quantized(keras.Model(inputs, outputs), rng, "paper")
    header = files(model, tmp_path)["net.h"]
    assert re.search(r"input  \w+: int8, step 2\*\*-\d+, 4 x 4 x 3", header)
    assert re.search(r"output scores: int8, step 2\*\*-\d+, 5", header)
    assert "in front, not computed here: halve" in header
    assert "behind, not computed here: shares" in header
    assert re.search(r"void net\(const int8_t \w+\[48\], int8_t scores\[5\]\);", header)


def test_names_become_identifiers(rng, tmp_path):
    inputs = keras.Input((4,), name="for")
    x = L.Dense(3, name="3rd*")(inputs)
    model = keras.Model(inputs, [L.Dense(2, name="int")(x), L.Dense(2, name="row")(x)], name="9*")
    to_c(quantized(model, rng, "paper")[0], tmp_path / "c")
    names = sorted(path.name for path in (tmp_path / "c").iterdir())
    assert names == ["net_9.c", "net_9.h", "net_9_test.c"]
    source = str(tmp_path / "c" / "net_9.c")
    subprocess.run(
        ["cc", "-std=c99", *STRICT.split(), "-c", source, "-o", tmp_path / "o"], check=True
    )


def test_refusals_are_usual_and_name_float_layers(rng, tmp_path):
    exported.assert_refuses_floats(to_c, rng, tmp_path, "paper")
    uncalibrated = keras_alt.quantize_model(models.nested(), QuantizeConfig())
    exported.assert_refused(to_c, uncalibrated, tmp_path, "keras_alt.calibrate")
    exported.assert_refused(to_c, models.nested(), tmp_path, "without any quantizer")


def test_open_sizes_need_a_shape(rng, tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, L.Conv2D(2, 3, name="open")(inputs))
    q = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    x = rng.normal(size=(4, 6, 5, 3)).astype("float32")
    keras_alt.calibrate(q, x, verbose=False)
    (reason,) = keras_alt.report(q).refusals["to_c"]
    assert "C needs tensors of known size" in reason
    exported.assert_refused(to_c, q, tmp_path, "known size.*input_shape=")
    assert_exact(q, x, "c")
    files(q, tmp_path, input_shape=(6, 5, 3))
    assert ran(tmp_path).returncode == 0


def test_without_a_compiler_verify_says_what_to_install(rng, monkeypatch):
    model, x = small(rng, "paper")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ImportError, match=r"install gcc or clang.*no-such-compiler"):
        keras_alt.verify(model, x, engine="c", verbose=False)


def test_several_inputs_and_outputs_keep_their_order(rng):
    model = models.siamese()
    q, x = quantized(model, rng, "paper")
    assert_exact(q, x, "c")
    assert_exact(*quantized(models.two_outputs(), rng, "litert"), "c")
    assert len(sample(model, rng)) > 0
