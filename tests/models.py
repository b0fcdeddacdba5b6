"""Small networks of every topology."""

import keras
from keras import layers as L
from keras import ops


def conv_block(x, filters, activation="relu", kernel=3, strides=1):
    x = L.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return x if activation is None else L.Activation(activation)(x)


def residual():
    x = inputs = keras.Input((8, 8, 3))
    x = conv_block(x, 4)
    y = conv_block(conv_block(x, 4), 4, None)
    x = L.ReLU()(L.Add()([x, y]))
    y = conv_block(conv_block(x, 8, strides=2), 8, None)
    x = L.ReLU()(L.Add()([conv_block(x, 8, None, 1, 2), y]))
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(5, activation="softmax")(x))


def inverted_residual():
    x = inputs = keras.Input((8, 8, 3))
    x = conv_block(x, 4, "relu6")
    for _ in range(2):
        y = conv_block(x, 8, "relu6", 1)
        y = L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = L.ReLU(6.0)(L.BatchNormalization()(y))
        x = L.Add()([x, conv_block(y, 4, None, 1)])
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(L.AveragePooling2D(2)(x))))


def inception():
    x = inputs = keras.Input((8, 8, 3))
    x = conv_block(x, 4)
    a, b = conv_block(x, 3, kernel=1), conv_block(x, 3)
    inner = L.Concatenate()([b, conv_block(x, 2)])
    x = L.Concatenate()([a, inner, L.MaxPooling2D(3, 1, "same")(x)])
    return keras.Model(inputs, L.Dense(5)(L.GlobalMaxPooling2D()(conv_block(x, 4))))


def dense_block():
    x = inputs = keras.Input((8, 8, 3))
    for _ in range(2):
        y = L.Conv2D(4, 3, padding="same")(L.ReLU()(L.BatchNormalization()(x)))
        x = L.Concatenate()([x, y])
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(x)))


def leaky():
    x = inputs = keras.Input((8, 8, 3))
    x = L.LeakyReLU(negative_slope=0.1)(L.Conv2D(4, 3)(x))
    x = L.Conv2D(4, 3, activation="leaky_relu")(x)
    x = L.ReLU(max_value=6, negative_slope=0.1)(L.Conv2D(4, 2)(x))
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(x)))


def augmented(model):
    """Put layers that train by default in front of `model`."""
    inputs = keras.Input(model.inputs[0].shape[1:])
    flipped = L.RandomFlip(seed=1)(inputs)
    x = L.RandomBrightness(0.8, value_range=(-1, 1), seed=1)(flipped)
    return keras.Model(inputs, model(x))


def kinds_of_layers():
    x = inputs = keras.Input((8, 8, 3))
    x = L.SeparableConv2D(4, 3, activation="relu")(x)
    x = L.Conv2DTranspose(4, 2, strides=2, activation="relu6")(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = L.Reshape((-1, 8))(L.ReLU(max_value=4)(x))
    x = L.Conv1D(4, 3, padding="causal")(x)
    return keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling1D()(x)))


def operators():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same")(inputs / 127.5 - 1.0)
    y = ops.relu(x * 0.5 + L.Conv2D(4, 1)(inputs))
    y = ops.concatenate([y, ops.relu6(x)], axis=-1)
    return keras.Model(inputs, L.Dense(5)(ops.mean(L.Conv2D(4, 3)(y), axis=(1, 2))))


def float_inside():
    x = inputs = keras.Input((8, 8, 3))
    x = L.Activation("swish")(L.Conv2D(4, 3)(x))
    x = L.LayerNormalization()(L.Conv2D(4, 3)(x))
    return keras.Model(inputs, L.Dense(5, activation="softmax")(L.Flatten()(x)))


def nested():
    base = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU()],
        name="base",
    )
    middle = keras.Sequential([keras.Input((8, 8, 3)), base, L.Conv2D(4, 3)], name="middle")
    return keras.Sequential([keras.Input((8, 8, 3)), middle, L.Flatten(), L.Dense(5)])


def siamese():
    tower = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3, use_bias=False), L.BatchNormalization()],
        name="tower",
    )
    first, second = keras.Input((8, 8, 3), name="first"), keras.Input((8, 8, 3), name="second")
    joined = L.Concatenate()([tower(first), tower(second)])
    return keras.Model([first, second], L.Dense(1)(L.Flatten()(L.ReLU()(joined))))


def shared_layers():
    block = L.Conv2D(4, 3, padding="same"), L.ReLU(), L.AveragePooling2D(2), L.Add()
    conv, head = L.Conv2D(4, 1), L.Dense(4, activation="relu")

    def tower(x):
        convolve, relu, pool, add = block
        x = relu(convolve(x))
        x = pool(ops.relu(add([x, convolve(x)])))
        return L.GlobalAveragePooling2D()(x)

    first, second = keras.Input((8, 8, 4), name="first"), keras.Input((8, 8, 4), name="second")
    x, y = L.BatchNormalization()(conv(first)), L.BatchNormalization()(conv(second))
    x, y = L.ReLU()(x), L.ReLU()(y)
    shared = keras.Model(first, tower(first), name="shared")
    joined = L.Concatenate()([head(head(shared(x))), shared(conv(y))])
    return keras.Model([first, second], L.Dense(2)(joined))


def two_outputs():
    image, extra = keras.Input((8, 8, 3), name="image"), keras.Input((6,), name="extra")
    x = L.GlobalAveragePooling2D()(conv_block(image, 4))
    x = L.Concatenate()([x, L.Dense(4, activation="relu")(extra)])
    heads = {"label": L.Dense(5, activation="softmax")(x), "value": L.Dense(1)(x)}
    return keras.Model({"image": image, "extra": extra}, heads)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = L.Conv2D(4, 3), L.BatchNormalization()
        self.head = keras.Sequential([L.Flatten(), L.Dense(5)])

    def call(self, x, training=None):
        return self.head(ops.relu(self.norm(self.conv(x), training=training)))


def subclassed():
    model = Subclassed()
    model(keras.ops.zeros((2, 8, 8, 3)))
    return model


FUNCTIONAL = (
    residual,
    inverted_residual,
    inception,
    dense_block,
    leaky,
    kinds_of_layers,
    operators,
    float_inside,
    nested,
    siamese,
    shared_layers,
    two_outputs,
)
