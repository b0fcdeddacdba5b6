"""The published network (Jain & Okabe, 2017, arXiv 1706.08948)."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import initializers, layers, regularizers

from keras_route.models.batch_norm import BatchNormalization
from keras_route.models.comparator import SCORES
from keras_route.models.presets import from_preset

FILTERS = 16
STAGES = 15
FIRST_KERNEL = 33  # 2 * 16 + 1: nearly the whole window of 32 pixels


@keras.saving.register_keras_serializable(package="keras_route")
class FCNRouter(keras.Model):
    """The published network: 15 convolutions that turn an image of pins into scores of 8 layers.

    A 33x33 convolution comes first, then 13 convolutions of 3x3. Each has 16 filters, batch norm
    and leaky ReLU (slope 0.01). A 3x3 convolution comes last. The network runs on images of any
    size, but a pixel sees only 30 pixels in each direction. The authors used PyTorch: constants and
    initial values of the convolutions are PyTorch's. The batch norms start with a scale of one.

    Input: (batch, height, width, 1), 1 where a pin is. Output: scores (batch, height, width, 16),
    off and on of each layer in turn; see `keras_route.models.comparator.decide`.

    The published recipe is `ScoreCrossEntropy()` and `keras.optimizers.Adam(5e-4, epsilon=1e-8)`.

    Args:
        height: of the images in pixels; None accepts any.
        width: of the images in pixels; None accepts any.
        weight_decay: the gradient of every trained weight w gains `weight_decay * w`, before Adam
            (PyTorch's coupled form). The loss that `fit` shows contains this term.
        name: of the model.
    """

    def __init__(
        self,
        height: int | None = None,
        width: int | None = None,
        weight_decay: float = 1e-5,
        name: str = "fcn_router",
        **kwargs,
    ):
        decay = regularizers.L2(weight_decay / 2)
        x = inputs = keras.Input((height, width, 1), name="pins")
        for stage in range(1, STAGES):
            x = _convolution(x, FIRST_KERNEL if stage == 1 else 3, decay, f"conv_{stage}")
            x = BatchNormalization(
                momentum=0.9,
                epsilon=1e-5,
                gamma_regularizer=decay,
                beta_regularizer=decay,
                name=f"norm_{stage}",
            )(x)
            x = layers.LeakyReLU(negative_slope=0.01, name=f"relu_{stage}")(x)
        scores = _convolution(x, 3, decay, f"conv_{STAGES}", filters=SCORES)
        super().__init__(inputs=inputs, outputs=scores, name=name, **kwargs)
        self.height = height
        self.width = width
        self.weight_decay = weight_decay

    from_preset = classmethod(from_preset)

    @classmethod
    def for_window(cls, height: int, width: int) -> keras.Model:
        """Return a new published network; it is the same for every window."""
        return cls()

    def get_config(self):
        return {
            "height": self.height,
            "width": self.width,
            "weight_decay": self.weight_decay,
            "name": self.name,
            "trainable": self.trainable,
        }

    def load_torch(self, state_dict: Mapping):
        """Set the weights to those of the authors' PyTorch network.

        Args:
            state_dict: tensors on the CPU or arrays by name, `"0.weight"`, `"0.bias"`,
                `"1.weight"`, and so on. `torch.load` reads it from a file of theirs; `state_dict()`
                of the same `nn.Sequential` gives it, too.

        Raises:
            ValueError: an entry is missing, unknown, or of another shape. The model then stays
                unchanged.
        """
        modules = self._torch_modules()
        self._check_names(state_dict, modules)
        values = {
            layer: [
                _from_torch(state_dict, name, weight.shape)
                for name, weight in zip(names, layer.weights, strict=True)
            ]
            for layer, names in modules.items()
        }
        for layer, weights in values.items():
            layer.set_weights(weights)

    def _torch_modules(self):
        """Return {layer: names of its weights in the state dict}; each stage is three modules."""
        modules = {}
        for stage in range(1, STAGES + 1):
            conv, norm = 3 * (stage - 1), 3 * (stage - 1) + 1
            modules[self.get_layer(f"conv_{stage}")] = [f"{conv}.weight", f"{conv}.bias"]
            if stage < STAGES:
                modules[self.get_layer(f"norm_{stage}")] = [
                    f"{norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var")
                ]
        return modules

    def _check_names(self, state_dict, modules):
        expected = {name for names in modules.values() for name in names}
        found = {name for name in state_dict if not name.endswith(".num_batches_tracked")}
        if found != expected:
            raise ValueError(
                "The state dict must be that of the published network, an nn.Sequential of "
                f"{STAGES} stages with {len(expected)} arrays named '0.weight' to "
                f"'{3 * (STAGES - 1)}.bias'. Received: a state dict without "
                f"{sorted(expected - found)} and with {sorted(found - expected)}"
            )


def _convolution(x, size, decay, name, filters=FILTERS):
    """Apply a convolution with PyTorch's initial values, uniform up to 1 / sqrt(fan in)."""
    limit = (size * size * x.shape[-1]) ** -0.5
    return layers.Conv2D(
        filters,
        size,
        padding="same",
        kernel_initializer=initializers.RandomUniform(-limit, limit),
        bias_initializer=initializers.RandomUniform(-limit, limit),
        kernel_regularizer=decay,
        bias_regularizer=decay,
        name=name,
    )(x)


def _from_torch(state_dict, name, shape):
    value = np.asarray(state_dict[name])
    if value.ndim == 4:
        value = value.transpose(2, 3, 1, 0)  # (out, in, y, x) to (y, x, in, out)
    if value.shape != tuple(shape):
        raise ValueError(
            "A weight of the state dict must have the shape that the published network gives it, "
            f"{tuple(shape)} with channels last. "
            f"Received: '{name}' of shape {value.shape} with channels last"
        )
    return value
