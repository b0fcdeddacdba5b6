"""Hash all integers that the package computes, to compare two versions of it.

    python benchmarks/codes.py --data DIR --output before.json --save models
    python benchmarks/codes.py --data DIR --output after.json --load models --compare before.json

The first line runs on the older version, the second on the newer one. For every target, it hashes
the thresholds, the outputs of every quantizer, the codes of the integer engine and the bytes of the
exported files. The networks are ResNet20 and MobileNetV2 (`--data` has their files and images), the
preset `router_32`, and small networks of every topology. All are calibrated, not trained. `--load`
also hashes the `.keras` and `.h5` files of the older version. Exits with 1 if a hash differs.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
import keras_route
from keras_alt.graph import Graph

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
TARGETS = ("paper", "litert", "onnx", "hls")
EXPORTERS = {
    "litert": (keras_alt.export.to_litert, "model.tflite"),
    "onnx": (keras_alt.export.to_onnx, "model.onnx"),
    "paper": (keras_alt.export.to_qonnx, "model.onnx"),
    "hls": (keras_alt.export.to_qonnx, "model.onnx"),
}


def main():
    options = arguments()
    hashes = golden_vectors()
    for name, make in networks(options.data).items():
        for target in TARGETS:
            model, images = make()
            hashes.update(of_network(f"{name}/{target}", model, images, target, options))
            keras.utils.clear_session(free_memory=False)
    text = json.dumps(hashes, indent=1)
    if options.output:
        pathlib.Path(options.output).write_text(text)
    sys.exit(
        compared(hashes, json.loads(pathlib.Path(options.compare).read_text()))
        if options.compare
        else 0
    )


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="folder of the networks and images")
    parser.add_argument("--output", help="JSON file to write")
    parser.add_argument("--compare", help="JSON file of another version")
    parser.add_argument("--save", type=pathlib.Path, help="folder to save the networks in")
    parser.add_argument("--load", type=pathlib.Path, help="folder that another version saved in")
    return parser.parse_args()


def compared(hashes, others):
    """Print what differs; return the exit code."""
    # A loaded model must have the same hashes as when it was saved.
    saved = {key: re.sub(r"/loaded \w+", "", key) for key in hashes}
    differing = [key for key, value in hashes.items() if others.get(saved[key]) != value]
    missing = [key for key in others if key not in hashes]
    for key in (*differing, *missing):
        print(f"differs: {key}")
    print(f"{len(hashes) - len(differing)} of {len(hashes)} hashes are the same")
    return 1 if differing or missing else 0


def digest(*arrays):
    """Return the SHA-256 of the types, shapes and bytes of arrays."""
    total = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        total.update(f"{array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()[:16]


def golden_vectors():
    with np.load(ROOT / "tests" / "golden" / "fake_quant.npz") as file:
        cases = {name: file[name] for name in file.files}
    results = []
    for bits, signed, log2, x in zip(
        cases["bits"], cases["signed"], cases["log2_threshold"], cases["x"], strict=True
    ):
        format = keras_alt.FixedPoint(int(bits), signed=bool(signed))
        y = keras_alt.fake_quant(x.astype("float32"), np.float32(log2), format)
        results.append(keras.ops.convert_to_numpy(y))
    return {"golden": digest(*results)}


def networks(data):
    """Return functions that make a float network and inputs for it, by name."""
    import models

    chosen = {f.__name__: small(f) for f in models.FUNCTIONAL if f.__name__ != "float_inside"}
    chosen["router_32"] = router
    if data:
        chosen["resnet20"] = lambda: resnet20(data)
        chosen["mobilenet_v2"] = lambda: mobilenet_v2(data)
    return chosen


def small(function):
    from conftest import randomize, sample

    def make():
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        model = randomize(function(), rng)
        return model, sample(model, rng, 16)

    return make


def router():
    x, _ = keras_route.generate(16, seed=1)
    return keras_route.Router.from_preset("router_32"), x.astype("float32")


def resnet20(data):
    with np.load(data / "cifar10_lossless.npz") as file:
        images = file["x_test"][:32].astype("float32")
    images = (images - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    model = keras.models.load_model(data / "resnet20_cifar10.keras", compile=False)
    return model, images.astype("float32")


def mobilenet_v2(data):
    with np.load(data / "cifar10_jpeg.npz") as file:
        images = file["x_test"][:16].astype("float32")
    images = keras.ops.convert_to_numpy(keras.ops.image.resize(images / 127.5 - 1.0, (96, 96)))
    file = data / "mobilenet_v2_0.35_96_cifar10_finetuned.keras"
    return keras.models.load_model(file, compile=False), images


def of_network(key, model, images, target, options):
    config = keras_alt.QuantizeConfig(target=target)
    quantized = keras_alt.quantize_model(model, config)
    thresholds = keras_alt.calibrate(quantized, images, verbose=False)
    hashes = {f"{key}/thresholds": digest(np.array(list(thresholds.values())), *thresholds)}
    hashes |= of_quantized(key, quantized, images)
    if not hashes[f"{key}/integers"].startswith("refused"):
        hashes |= of_files(key, quantized, target)
    print(key, flush=True)
    for suffix in ("keras", "h5"):
        name = f"{key.replace('/', '_')}.{suffix}"
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            quantized.save(options.save / name)
        if options.load and (options.load / name).exists():
            try:
                loaded = keras.models.load_model(options.load / name, compile=False)
            except ValueError as error:
                if suffix == "h5" and "Unknown layer" in str(error):  # Keras cannot load its operators from .h5
                    continue
                raise
            hashes |= of_quantized(f"{key}/loaded {suffix}", loaded, images)
    return hashes


def of_quantized(key, model, images):
    calls = [c for c in Graph(model).calls if isinstance(c.layer, keras_alt.Quantizer)]
    inner = keras.Model(model.inputs, [call.outputs[0] for call in calls])
    values = keras.tree.flatten(inner(keras.tree.flatten(images), training=False))
    names = [call.layer.name for call in calls]
    few = keras.tree.map_structure(lambda array: array[:4], images)
    hashes = {f"{key}/quantizers": digest(*map(keras.ops.convert_to_numpy, values), *names)}
    try:
        codes = keras_alt.integer.run(keras_alt.integer.read(model), few, verbose=False)
    except ValueError as error:  # the model has float layers between quantizers
        return hashes | {f"{key}/integers": f"refused: {error}"}
    return hashes | {f"{key}/integers": digest(*codes)}


def of_files(key, model, target):
    export, name = EXPORTERS[target]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        try:
            random.seed(0)  # qonnx gives initializers random names
            export(model, folder / name)
        except ValueError as error:  # the format lacks a float layer of the model
            return {f"{key}/{name}": f"refused: {error}"}
        keras_alt.export.to_integers(model, folder / "integers")
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        return {
            f"{key}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            for path in files
            if path.suffix != ".py"  # the program that runs integers is text
        }


if __name__ == "__main__":
    main()
