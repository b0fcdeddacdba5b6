"""The float networks of the speed benchmarks, with random weights and logits as outputs."""

import fashion


def mobilenet_v2(library):
    return library.applications.MobileNetV2(
        (96, 96, 3), 0.35, weights=None, classes=10, classifier_activation=None
    )


def resnet50(library):
    return library.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None
    )


def mobilenet_v3(library):
    """Return the small net of `fashion.py` with hard swishes, squeeze and excitation."""
    if library.__name__ != "keras":
        raise NotImplementedError("This network is built on Keras 3 only.")
    return fashion.network(*fashion.NETWORKS["MobileNetV3-like"])


def resnet20(library):
    """Return the ResNet20 of CIFAR-10 with projection shortcuts."""
    layers = library.layers

    def conv(x, filters, strides=1, kernel=3):
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = library.Input((32, 32, 3))
    x = layers.ReLU()(conv(inputs, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            y = conv(layers.ReLU()(conv(x, filters, strides)), filters)
            shortcut = conv(x, filters, strides, 1) if strides == 2 else x
            x = layers.ReLU()(layers.Add()([shortcut, y]))
    return library.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


# Functions of the library, Keras 3 or tf_keras.
NETWORKS = {
    "mobilenet_v2": mobilenet_v2,
    "resnet20": resnet20,
    "resnet50": resnet50,
    "mobilenet_v3": mobilenet_v3,
}
