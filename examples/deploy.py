"""Train, quantize, export to every format, and compare the codes of every engine.

Examples:

    python examples/deploy.py --output output/deploy
    python examples/deploy.py --model FILE --data FILE.npz --mean 127.5 --std 127.5 --count 1000

Without --model, a small residual network learns handwritten digits first. With --model, FILE is a
float Keras model whose input is (x - mean) / std. The data file has x_train, x_test and y_test. The
network is then quantized statically. --weights loads retrained weights of `mobilenet_cifar10.py`.

Prints the number of codes that differ on each engine, then file sizes, what Vela says of an
Ethos-U, then latencies for one image. All engines except Keras run on one thread. Exits with 1 if
any code differs. Engines that are not installed are named and skipped.
"""

import argparse
import importlib.util
import pathlib
import time

import keras
import numpy as np
from keras import layers

import keras_alt
from keras_alt.calibration import three_sigma
from keras_alt.engines.ethos_u import ethos_costs

# Each engine follows the rules of this target.
TARGETS = {
    "litert": "litert",
    "tflm": "tflm",
    "onnxruntime": "onnx",
    "qonnx": "hls",
    "hls4ml": "hls",
    "integer": "paper",
}
SLOW = ("qonnx", "hls4ml")


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    model, train, test = pretrained(options) if options.model else digits(options)
    quantized = quantize(model, train, options)
    models = {"litert": quantized}
    for target in set(TARGETS.values()) - {"litert"}:
        models[target] = keras_alt.retarget(quantized, target, calibration_data=train[0][:256])
    models = {engine: models[target] for engine, target in TARGETS.items()}
    print(f"float: {accuracy(model, test):.2%} of {len(test[1])} test images")
    differing = sum(proof(engine, models[engine], test, options) for engine in options.engines)
    files = export(model, models, options)
    on_npu(files)
    latencies(model, files, test[0][:1])
    if differing:
        raise SystemExit(f"{differing} codes differ")


def quantize(model, train, options):
    """Return the network quantized for LiteRT. It is retrained unless --model is given."""
    config = keras_alt.QuantizeConfig(weights=options.bits, target="litert")
    quantized = keras_alt.quantize_model(model, config)
    x, y = train
    if options.weights:
        quantized.load_weights(options.weights)
    elif options.model:
        keras_alt.calibrate(quantized, x[:256])
    else:
        keras_alt.calibrate(quantized, x[:256], weights=three_sigma)
        steps = options.epochs * -(-len(x) // 32)
        optimizer = keras_alt.optimizers.alt(5e-4, 1e-2, steps=steps)
        quantized.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        freeze = keras_alt.callbacks.FreezeThresholds(start=0.5)
        quantized.fit(x, y, batch_size=32, epochs=options.epochs, callbacks=[freeze], verbose=2)
    return quantized


def proof(engine, model, test, options):
    """Print and return the number of codes that differ on an engine."""
    count = options.slow_count if engine in SLOW else options.count
    started = time.time()
    try:
        bundle = options.output / f"{engine}_bundle" if options.bundle else None
        result = keras_alt.verify(model, test[0][:count], engine, bundle=bundle, verbose=False)
    except ImportError as error:
        print(f"{engine:12} {error}")
        return 0
    print(
        f"{engine:12} {accuracy(model, test):.2%} right; {result} "
        f"({len(result.layers)} tensors compared, {time.time() - started:.0f} s)",
        flush=True,
    )
    return result.mismatches


def export(model, models, options):
    """Write every format; return `{name: path}`."""
    folder = options.output
    writers = {
        "LiteRT INT8": ("litert", keras_alt.export.to_litert, "model.tflite"),
        "TFLM INT8": ("tflm", keras_alt.export.to_litert, "model.tflm.tflite"),
        "ONNX INT8": ("onnxruntime", keras_alt.export.to_onnx, "model.onnx"),
        "QONNX": ("qonnx", keras_alt.export.to_qonnx, "model.qonnx.onnx"),
        "hls4ml project": ("hls4ml", keras_alt.export.to_hls4ml, "hls4ml"),
        "integers": ("integer", keras_alt.export.to_integers, "integers"),
        "SavedModel": ("litert", keras_alt.export.to_saved_model, "saved_model"),
    }
    files = {"Keras float": folder / "float.keras", "LiteRT float": folder / "float.tflite"}
    model.save(files["Keras float"])
    files["LiteRT float"].write_bytes(litert_float(model))
    for name, (engine, write, path) in writers.items():
        if engine in options.engines:
            try:
                write(models[engine], folder / path)
            except ImportError as error:
                print(f"{name}: {error}")
            else:
                files[name] = folder / path
    print(f"\n{'file':16}{'bytes':>12}  path")
    for name, path in files.items():
        print(f"{name:16}{size(path):12,}  {path}")
    return files


def on_npu(files):
    """Print what an Ethos-U computes of the INT8 files, and what it costs by Vela's estimate."""
    print()
    for name in ("LiteRT INT8", "TFLM INT8"):
        if name in files:
            try:
                print(f"{name:16}{ethos_costs(files[name])}")
            except ImportError as error:
                print(f"{name:16}{error}")


def latencies(model, files, x):
    """Print the median latency of one image on each engine, measured in turn."""
    runners = {"Keras float": keras_runner(model, x)}
    for name, path in files.items():
        if name.startswith("LiteRT") and importlib.util.find_spec("ai_edge_litert"):
            runners[name] = litert_runner(path, x)
        elif name == "ONNX INT8":
            runners[name] = onnx_runner(path, x)
    times = {name: [] for name in runners}
    for _ in range(60):
        for name, run in runners.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    median = {name: 1e3 * float(np.median(values[10:])) for name, values in times.items()}
    base = "LiteRT float" if "LiteRT float" in median else "Keras float"
    print(f"\n{'one image':16}{'ms':>10}{'x as fast as ' + base:>30}")
    for name, ms in median.items():
        print(f"{name:16}{ms:10.3f}{median[base] / ms:30.2f}")


def keras_runner(model, x):
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))
    x = tf.constant(x)
    return lambda: function(x)


def litert_float(model):
    import tensorflow as tf

    spec = tf.TensorSpec((1, *model.input_shape[1:]), "float32")
    function = tf.function(lambda x: model(x, training=False), [spec]).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()


def litert_runner(path, x):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    scale, zero_point = detail["quantization"]
    codes = np.clip(np.rint(x / scale) + zero_point, -128, 127) if scale else x
    interpreter.set_tensor(detail["index"], codes.astype(detail["dtype"]))
    return interpreter.invoke


def onnx_runner(path, x):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed)


def digits(options):
    """Train a small residual network; return it with `(x, y)` for training and test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1), y[order]
    train, test = (x[:797], y[:797]), (x[797:], y[797:])
    inputs = keras.Input((8, 8, 1))
    stem = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    branch = layers.Conv2D(8, 3, padding="same")(stem)
    merged = layers.ReLU()(layers.Add()([stem, branch]))
    hidden = layers.Dense(32, activation="relu")(layers.Flatten()(layers.MaxPooling2D()(merged)))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(hidden), name="digits")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*train, batch_size=32, epochs=2 * options.epochs, verbose=2)
    return model, train, test


def pretrained(options):
    """Return the user's network and its images, resized for the network."""
    model = keras.models.load_model(options.model, compile=False)
    with np.load(options.data) as file:
        parts = {name: file[name] for name in ("x_train", "x_test", "y_test")}
    size = model.input_shape[1:3]
    prepared = []
    for name, count in (("x_train", 256), ("x_test", options.count)):
        images = keras.ops.image.resize(parts[name][:count].astype("float32"), size)
        images = keras.ops.convert_to_numpy(images)
        prepared.append((images - np.float32(options.mean)) / np.float32(options.std))
    return model, (prepared[0], None), (prepared[1], parts["y_test"][: options.count].ravel())


def accuracy(model, test):
    x, y = test
    return float(np.mean(model.predict(x, batch_size=250, verbose=0).argmax(-1) == y))


def size(path):
    parts = path.rglob("*") if path.is_dir() else [path]
    return sum(part.stat().st_size for part in parts if part.is_file())


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=pathlib.Path, help="float Keras model; digits by default")
    parser.add_argument("--data", type=pathlib.Path, help="npz file with images for the model")
    parser.add_argument("--weights", type=pathlib.Path, help="retrained weights of target litert")
    parser.add_argument("--mean", nargs="+", type=float, default=[127.5], help="pixel mean")
    parser.add_argument("--std", nargs="+", type=float, default=[127.5], help="pixel deviation")
    parser.add_argument("--bits", type=int, default=8, help="width of the weights")
    parser.add_argument("--count", type=int, default=1000, help="images to verify")
    parser.add_argument("--slow-count", type=int, default=100, help=f"for {' and '.join(SLOW)}")
    parser.add_argument("--engines", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--epochs", type=int, default=15, help="epochs of retraining on digits")
    parser.add_argument("--bundle", action="store_true", help="write a bundle for each engine")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/deploy"))
    options = parser.parse_args()
    if options.model and not options.data:
        parser.error("--model needs --data")
    if options.output.exists() and any(options.output.iterdir()):
        parser.error(f"--output must be new or empty. Received: {options.output}")
    return options


if __name__ == "__main__":
    main()
