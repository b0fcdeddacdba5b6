"""Give each layer of a small network the bits that it needs, within a budget of bytes.

Example:

    python examples/mixed_precision.py

Measures how sensitive each kernel is, and compares networks with one width for all kernels with
mixed widths of the same size: calibrated, and after a short retraining. Takes about five minutes on
two cores.
"""

import argparse

import keras
from quickstart import BATCH, accuracy, depthwise_separable_net, digits

import keras_alt
from keras_alt.calibration import mse
from keras_alt.text_tables import text_table

LOSS = "sparse_categorical_crossentropy"
WIDTHS = (2, 3, 4, 5, 6, 8)


def main():
    options = parse()
    keras.utils.set_random_seed(options.seed)
    train, _, test = digits()
    model = depthwise_separable_net()
    model.compile(keras.optimizers.Adam(2e-3), LOSS, metrics=["accuracy"])
    model.fit(*train, batch_size=BATCH, epochs=options.epochs, verbose=2)
    quantized = keras_alt.quantize_model(model, calibration_data=train[0])

    sensitivity = keras_alt.sensitivity(quantized, train[0], train[1], LOSS, bits=WIDTHS)
    print(sensitivity)

    choices = {}
    for bits in options.bits:
        uniform = sensitivity.uniform(bits)
        size = sensitivity.totals(uniform).bytes
        choices[f"{bits} bits"] = uniform
        if bits < 8:
            choices[f"mixed, {size:,} bytes"] = keras_alt.allocate(sensitivity, size=size)
    rows = [("float", "", "", f"{accuracy(model, test):.1%}", "")]
    for name, overrides in choices.items():
        mixed = narrowed(quantized, overrides, train)
        calibrated = accuracy(mixed, test)
        retrain(mixed, train, options)
        widths = [entry["weights"] for entry in overrides.values()]
        rows.append(
            (
                name,
                f"{keras_alt.report(mixed).weight_bytes['quantized']:,}",
                " ".join(map(str, widths)),
                f"{calibrated:.1%}",
                f"{accuracy(mixed, test):.1%}",
            )
        )
    print(f"\naccuracy on {len(test[1])} test images")
    print(text_table(("kernels", "bytes", "bits of each kernel", "calibrated", "retrained"), rows))


def narrowed(quantized, overrides, train):
    """Return the model with other widths, and thresholds of its kernels that suit them."""
    model = keras_alt.retarget(quantized, overrides=overrides)
    others = [q for q in keras_alt.quantizers(model).values() if "kernel" not in q.role]
    keras_alt.calibrate(model, train[0], weights=mse, keep=others, verbose=False)
    return model


def retrain(model, train, options):
    keras.utils.set_random_seed(options.seed)
    steps = options.retrain_epochs * -(-len(train[0]) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras_alt.optimizers.alt(rate, steps=steps), LOSS)
    model.fit(*train, batch_size=BATCH, epochs=options.retrain_epochs, verbose=2)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=30, help="epochs of the float network")
    parser.add_argument("--retrain-epochs", type=int, default=5, help="epochs of retraining")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 5, 4, 3], choices=WIDTHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="one epoch and one budget, for tests")
    options = parser.parse_args()
    if options.smoke:
        options.epochs = options.retrain_epochs = 1
        options.bits = [4]
    return options


if __name__ == "__main__":
    main()
