"""Quantize and retrain a network of ImageNet by the recipe of the paper.

Example:

    python examples/imagenet.py prepare --data JPEGS --records RECORDS
    python examples/imagenet.py calibrate MobileNetV2 --data RECORDS --target litert
    python examples/imagenet.py train --data RECORDS --distribute
    python examples/imagenet.py validate --data RECORDS

JPEGS holds `train/<wnid>/*.JPEG` and `validation/<wnid>/*.JPEG`. `prepare` writes them as
TFRecords, which read faster; the other commands take either folder. Labels count the sorted names
of the classes. The network is a function of `keras.applications`, or a .keras file with `--family`.

`calibrate` writes `float.keras` and `quantized.keras` to the output folder. `train` validates every
1,000 steps and keeps the best network in `best.keras`; the same command resumes after a kill.
`validate` compares the float network with the best one, or with the calibrated one before training.
"""

import argparse
import os
import pathlib
import time

import keras
import tensorflow as tf
from imagenet_data import evaluation, family_of, preprocess_input, training, write_records

import keras_alt
from keras_alt import calibration
from keras_alt.callbacks import Backup, BestCheckpoint, FreezeThresholds, ThresholdHistory

PAPER_BATCH, PAPER_STEPS = 24, 266_910  # five epochs


def main(arguments=None):
    options = parse(arguments)
    options.command(options)


def prepare(options):
    for split, shards in (("train", options.shards), ("validation", -(-options.shards // 8))):
        started = time.time()
        written = write_records(options.data, options.records, split, shards)
        seconds = time.time() - started
        print(f"{split}: {written} of {shards} records written in {seconds:.0f} s", flush=True)


def calibrate(options):
    options.output.mkdir(parents=True, exist_ok=True)
    model = network(options)
    model.save(options.output / "float.keras")
    (options.output / "family.txt").write_text(options.family)
    data = images(options, model, "train")
    if options.equalize:
        model = keras_alt.equalize(model, data, samples=options.samples)
    config = keras_alt.QuantizeConfig(weights=options.bits, target=options.target)
    quantized = keras_alt.quantize_model(model, config)
    rule = getattr(calibration, options.rule)
    started = time.time()
    found = keras_alt.calibrate(quantized, data, weights=rule, samples=options.samples)
    quantized.save(options.output / "quantized.keras")
    print(keras_alt.report(quantized))
    print(f"{len(found)} thresholds in {time.time() - started:.0f} s")


def train(options):
    keras.utils.set_random_seed(options.seed)
    strategy = tf.distribute.get_strategy()
    if options.distribute:
        strategy = tf.distribute.MirroredStrategy()
        print(f"training on {strategy.num_replicas_in_sync} devices", flush=True)
    steps = options.steps or PAPER_STEPS * PAPER_BATCH // options.batch_size
    backup = Backup(options.output / "backup.weights.h5")
    done = backup.epochs
    with strategy.scope():
        model = load(options, "quantized.keras")
        optimizer = keras_alt.optimizers.alt(
            options.rate, batch_size=options.batch_size, steps=options.steps
        )
        compiled(model, options, optimizer)
    validation = images(options, model, "validation")
    if not done:
        (options.output / "best.keras").unlink(missing_ok=True)  # of an earlier run
    best = BestCheckpoint(options.output / "best.keras", validation_data=validation)
    if done:
        print(f"resumed after {done * options.validate_every} steps, best {best.best:.2%}")
    every = options.validate_every
    callbacks = [
        best,
        FreezeThresholds(start=steps // 2),
        ThresholdHistory(options.output),
        keras.callbacks.CSVLogger(options.output / "training.csv", append=done > 0),
        backup,  # last: the others have done their part of an epoch that counts as done
    ]
    size = model.input_shape[1]
    # A seed of its own for each start: a resumed run sees other images than its beginning.
    data = training(
        options.data, size, options.batch_size, preprocess(options), options.seed + done
    )
    model.fit(
        data,
        steps_per_epoch=every,
        epochs=-(-steps // every),
        validation_data=validation,
        callbacks=callbacks,
        verbose=2,
    )
    print(f"best validation accuracy {best.best:.2%}")
    os.remove(backup.path)  # so that the next training is a new one


def validate(options):
    trained = (options.output / "best.keras").exists()
    rows = {"float": "float.keras", "calibrated": "quantized.keras"}
    if trained:
        rows["trained"] = "best.keras"
    print(f"{'':12}{'top-1':>9}{'top-5':>9}")
    for name, file in rows.items():
        model = compiled(load(options, file), options)
        data = images(options, model, "validation")
        figures = model.evaluate(data, verbose=0, return_dict=True)
        print(f"{name:12}{figures['accuracy']:9.2%}{figures['top5']:9.2%}", flush=True)


def network(options):
    """Return the float network, and set `options.family`."""
    if options.network.endswith(".keras"):
        if options.family is None:
            raise SystemExit("A .keras file needs --family, whose preprocessing its images get.")
        model = keras.models.load_model(options.network, compile=False)
    else:
        options.family = options.family or family_of(options.network)
        build = getattr(keras.applications, options.network)
        model = build(weights="imagenet" if options.weights == "imagenet" else None)
    if options.weights not in ("imagenet", "none"):
        model.load_weights(options.weights)
    return model


def images(options, model, split):
    """Return central crops in the size and the range of values that the network expects."""
    arguments = model.input_shape[1], options.batch_size, preprocess(options)
    seed = 0 if split == "train" else None  # calibration needs images of all classes
    return evaluation(options.data, split, *arguments, seed)


def preprocess(options):
    return preprocess_input((options.output / "family.txt").read_text())


def compiled(model, options, optimizer=None):
    """Compile with the metrics of ImageNet; outputs are logits unless a softmax is last."""
    last = keras.models.load_model(options.output / "float.keras", compile=False).layers[-1]
    softmax = getattr(last, "activation", None) is keras.activations.softmax
    model.compile(
        optimizer or "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")],
        jit_compile=False,  # replicas meet in the update, which XLA does not compile
    )
    return model


def load(options, file):
    path = options.output / file
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `calibrate` with this --output first.")
    return keras.models.load_model(path, compile=False)


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(function, text):
        added = commands.add_parser(function.__name__, help=text, description=text)
        added.set_defaults(command=function)
        added.add_argument("--data", type=pathlib.Path, required=True, help="JPEGs or TFRecords")
        return added

    added = command(prepare, "write JPEG folders as TFRecords")
    added.add_argument("--records", type=pathlib.Path, required=True, help="folder to write to")
    added.add_argument("--shards", type=int, default=1024, help="files of training images")

    added = command(calibrate, "quantize a network and set its thresholds")
    outputs(added)
    added.add_argument("network", help="function of keras.applications, or a .keras file")
    added.add_argument("--weights", default="imagenet", help="imagenet, none (random) or a file")
    added.add_argument("--family", help="module of keras.applications whose preprocessing counts")
    added.add_argument("--target", default="paper", help="paper, hls, litert or onnx")
    added.add_argument("--bits", type=int, default=8, help="width of the weights")
    added.add_argument("--equalize", action="store_true", help="equalize channels first")
    added.add_argument("--samples", type=int, default=50, help="calibration images")
    added.add_argument(
        "--rule",
        default="three_sigma",
        choices=["three_sigma", "maximum", "mse"],
        help="thresholds of weights: three_sigma before training, maximum without",
    )

    added = command(train, "train weights and thresholds; resume an interrupted training")
    outputs(added)
    added.add_argument("--rate", type=float, default=1e-6, help="learning rate of the weights")
    added.add_argument("--steps", type=int, help="by default the paper's five epochs")
    added.add_argument("--validate-every", type=int, default=1000, help="steps")
    added.add_argument("--distribute", action="store_true", help="train on all GPUs")
    added.add_argument("--seed", type=int, default=0)

    outputs(command(validate, "print accuracies of the float and the quantized networks"))
    return parser.parse_args(arguments)


def outputs(parser):
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/imagenet"))
    parser.add_argument("--batch-size", type=int, default=PAPER_BATCH)


if __name__ == "__main__":
    main()
