"""Converts TensorFlow functions in the graph of a tf_keras model to Keras 3 operators."""

from keras import ops


def _item(x, key):
    """`x[key]`; tf_keras records slices as dictionaries."""
    keys = key if isinstance(key, (list, tuple)) else [key]
    return x[tuple(slice(*k.values()) if isinstance(k, dict) else k for k in keys)]


# Last part of TensorFlow's name: (Keras 3 operator, argument names). The names are TensorFlow's, in
# the order of the Keras 3 operator.
OPERATORS = {
    "add": (ops.add, "x y"),
    "subtract": (ops.subtract, "x y"),
    "multiply": (ops.multiply, "x y"),
    "divide": (ops.true_divide, "x y"),
    "truediv": (ops.true_divide, "x y"),
    "pow": (ops.power, "x y"),
    "maximum": (ops.maximum, "x y"),
    "minimum": (ops.minimum, "x y"),
    "matmul": (ops.matmul, "a b"),
    "negative": (ops.negative, "x"),
    "abs": (ops.abs, "x"),
    "exp": (ops.exp, "x"),
    "log": (ops.log, "x"),
    "sqrt": (ops.sqrt, "x"),
    "rsqrt": (ops.rsqrt, "x"),
    "square": (ops.square, "x"),
    "sigmoid": (ops.sigmoid, "x"),
    "tanh": (ops.tanh, "x"),
    "relu": (ops.relu, "features"),
    "relu6": (ops.relu6, "features"),
    "elu": (ops.elu, "features"),
    "silu": (ops.silu, "features"),
    "swish": (ops.silu, "features"),
    "softplus": (ops.softplus, "features"),
    "leaky_relu": (ops.leaky_relu, "features alpha"),
    "softmax": (ops.softmax, "logits axis"),
    "clip_by_value": (ops.clip, "t clip_value_min clip_value_max"),
    "concat": (ops.concatenate, "values axis"),
    "stack": (ops.stack, "values axis"),
    "reshape": (ops.reshape, "tensor shape"),
    "transpose": (ops.transpose, "a perm"),
    "expand_dims": (ops.expand_dims, "input axis"),
    "squeeze": (ops.squeeze, "input axis"),
    "reduce_mean": (ops.mean, "input_tensor axis keepdims"),
    "reduce_sum": (ops.sum, "input_tensor axis keepdims"),
    "reduce_max": (ops.max, "input_tensor axis keepdims"),
    "reduce_min": (ops.min, "input_tensor axis keepdims"),
    "identity": (lambda x: x, "input"),
    "cast": (ops.cast, "x dtype"),
    "getitem": (_item, "x key"),
}
DEFAULTS = {"leaky_relu": {"alpha": 0.2}, "softmax": {"axis": -1}}


def operator(layer):
    """Return the Keras 3 function that computes the same as a `TFOpLambda` of tf_keras.

    Raises:
        NotImplementedError: Keras 3 has none; the message names the layer and the function.
    """
    symbol = getattr(layer, "symbol", None) or layer.get_config()["function"]
    name = symbol.split(".")[-1]
    if name not in OPERATORS:
        raise NotImplementedError(
            f"Layer '{layer.name}' must be one of the functions {sorted(OPERATORS)} to have an "
            "operator in Keras 3: write it as a layer of tf_keras, or with these functions. "
            f"Received: function='tf.{symbol}'"
        )
    function, names = OPERATORS[name]
    names = names.split()

    def call(*args, **kwargs):
        given = {**DEFAULTS.get(name, {}), **dict(zip(names, args, strict=False)), **kwargs}
        given = {key: value for key, value in given.items() if value is not None or key == "axis"}
        given.pop("name", None)
        unknown = set(given) - set(names)
        if unknown or len(args) > len(names):
            raise NotImplementedError(
                f"Layer '{layer.name}' may use the arguments {', '.join(names)} of tf.{symbol}. "
                f"Received: {sorted(given)}"
            )
        return function(*(given[key] for key in names if key in given))

    return call
