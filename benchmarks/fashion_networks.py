"""Small networks for 28x28 gray images, each after a well-known family."""

import keras
from keras import layers as L


def vgg():
    """Stacks of 3x3 convolutions, max pools, two dense layers."""
    x = inputs = keras.Input((28, 28, 1))
    for i, filters in enumerate((8, 16, 32)):
        x = convolution(x, f"conv{i}_a", filters)
        x = convolution(x, f"conv{i}_b", filters)
        x = L.MaxPooling2D(name=f"pool{i}")(x)
    x = L.Dense(128, activation="relu", name="dense")(L.Flatten()(x))
    return keras.Model(inputs, L.Dense(10, name="head")(x))


def inception():
    """Modules of four branches that are concatenated."""
    x = inputs = keras.Input((28, 28, 1))
    x = convolution(x, "stem", 16, strides=2)
    x = module(x, "module0", 8)
    x = L.MaxPooling2D(name="pool0")(module(x, "module1", 12))
    x = module(x, "module2", 16)
    x = L.GlobalAveragePooling2D()(module(x, "module3", 24))
    return keras.Model(inputs, L.Dense(10, name="head")(x))


def darknet():
    """Leaky ReLUs, 1x1 bottlenecks between 3x3 convolutions, a convolution as head."""
    x = inputs = keras.Input((28, 28, 1))
    x = L.MaxPooling2D(name="pool0")(convolution(x, "conv0", 8, activation="leaky_relu"))
    x = L.MaxPooling2D(name="pool1")(convolution(x, "conv1", 16, activation="leaky_relu"))
    for i, filters in enumerate((32, 64)):
        x = convolution(x, f"conv{i + 2}_a", filters, activation="leaky_relu")
        x = convolution(x, f"conv{i + 2}_b", filters // 2, 1, activation="leaky_relu")
        x = convolution(x, f"conv{i + 2}_c", filters, activation="leaky_relu")
        if not i:
            x = L.MaxPooling2D(name="pool2")(x)
    x = L.Conv2D(10, 1, name="head")(x)
    return keras.Model(inputs, L.GlobalAveragePooling2D()(x))


def mobilenet():
    """Depthwise separable convolutions."""
    x = inputs = keras.Input((28, 28, 1))
    x = convolution(x, "stem", 16, strides=2)
    for i, (filters, strides) in enumerate(((32, 1), (64, 2), (64, 1), (128, 2), (128, 1))):
        depthwise = L.DepthwiseConv2D(
            3, strides, "same", use_bias=False, name=f"block{i}_depthwise"
        )
        x = L.BatchNormalization(name=f"block{i}_depthwise_norm")(depthwise(x))
        x = L.ReLU(name=f"block{i}_depthwise_relu")(x)
        x = convolution(x, f"block{i}_pointwise", filters, 1)
    return keras.Model(inputs, L.Dense(10, name="head")(L.GlobalAveragePooling2D()(x)))


def convolution(x, name, filters, size=3, strides=1, activation="relu"):
    """A convolution, its batch norm and its activation."""
    x = L.Conv2D(filters, size, strides, "same", use_bias=False, name=name)(x)
    x = L.BatchNormalization(name=f"{name}_norm")(x)
    activation = L.ReLU if activation == "relu" else L.LeakyReLU
    slope = {} if activation is L.ReLU else {"negative_slope": 0.1}
    return activation(name=f"{name}_activation", **slope)(x)


def module(x, name, filters):
    """Four branches of as many filters: 1x1, 3x3, two 3x3, and a pool before a 1x1."""
    one = convolution(x, f"{name}_1x1", filters, 1)
    three = convolution(x, f"{name}_3x3_reduce", filters, 1)
    three = convolution(three, f"{name}_3x3", filters)
    five = convolution(x, f"{name}_5x5_reduce", filters, 1)
    five = convolution(convolution(five, f"{name}_5x5_a", filters), f"{name}_5x5_b", filters)
    pooled = L.MaxPooling2D(3, 1, "same", name=f"{name}_pool")(x)
    pooled = convolution(pooled, f"{name}_pool_project", filters, 1)
    return L.Concatenate(name=f"{name}_concatenate")([one, three, five, pooled])


FAMILIES = {
    "VGG-like": vgg,
    "Inception-like": inception,
    "DarkNet-like": darknet,
    "MobileNetV1-like": mobilenet,
}
