"""The recipes by which the networks of this package are trained."""

import dataclasses

import keras

from keras_route.data.dataset import FixedNets, NetDataset
from keras_route.losses import ScoreCrossEntropy
from keras_route.metrics import ExactMatch, PixelF1
from keras_route.models import FCNRouter, Router


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained: the length of the run, and the settings of an update.

    Args:
        network: class of the network, `Router` or `FCNRouter`.
        batch_size: nets in each update.
        steps_per_epoch: updates from one validation to the next.
        epochs: validations.
        rate: learning rate; the largest one if it decays.
        decays: whether the rate warms up over a twentieth of the run and then falls to zero along
            a cosine. Otherwise it is constant.
        on_weight: of the loss, see `ScoreCrossEntropy`.
        clipnorm: limit of the norm of all gradients together, or None.
        nets: number of nets to train on, in another order in every epoch; None draws fresh nets
            for every batch.
    """

    network: type[Router] | type[FCNRouter]
    batch_size: int
    steps_per_epoch: int
    epochs: int
    rate: float
    decays: bool
    on_weight: float
    clipnorm: float | None
    nets: int | None = None

    def new_model(self, height: int, width: int) -> keras.Model:
        """Return a new network of this recipe; a `Router` sees all of the window."""
        return self.network.for_window(height, width)

    def told(self) -> dict:
        """Return the fields as values for JSON."""
        return {**dataclasses.asdict(self), "network": self.network.__name__}

    def compile(self, model: keras.Model) -> None:
        """Compile `model` with the optimizer, the loss and the metrics of this recipe."""
        model.compile(
            keras.optimizers.Adam(self.schedule(), epsilon=1e-8, global_clipnorm=self.clipnorm),
            ScoreCrossEntropy(self.on_weight),
            metrics=[PixelF1(), PixelF1(pins=False), ExactMatch()],
            jit_compile=keras.backend.backend() == "jax",
        )

    def batches(self, seed: int, initial_epoch: int, **options) -> keras.utils.PyDataset:
        """Return the batches to train on; options are those of `generate`."""
        how = (self.batch_size, self.steps_per_epoch, seed, initial_epoch)
        if self.nets is None:
            return NetDataset(*how, **options)
        return FixedNets(self.nets, *how, **options)

    def schedule(self):
        """Return the learning rate, a number or a schedule of Keras."""
        if not self.decays:
            return self.rate
        steps = self.epochs * self.steps_per_epoch
        warmup = max(steps // 20, 1)
        return keras.optimizers.schedules.CosineDecay(
            self.rate / 100, max(steps - warmup, 1), warmup_target=self.rate, warmup_steps=warmup
        )


RECIPES = {
    # Fresh nets in every batch. Equal weights, because `decide` has its threshold at equal scores.
    "router": Recipe(
        Router,
        batch_size=32,
        steps_per_epoch=1000,
        epochs=12,
        rate=3e-3,
        decays=True,
        on_weight=1.0,
        clipnorm=1.0,
    ),
    # The published network on about as many nets as `fcn_published` sees, but all of them fresh.
    "fcn": Recipe(
        FCNRouter,
        batch_size=32,
        steps_per_epoch=5000,
        epochs=12,
        rate=3e-3,
        decays=True,
        on_weight=1.0,
        clipnorm=1.0,
    ),
    # The published recipe (Jain & Okabe, 2017) with a batch of 10, for which they also shipped
    # weights, and with a fifth of their 200 epochs.
    "fcn_published": Recipe(
        FCNRouter,
        batch_size=10,
        steps_per_epoch=5000,
        epochs=40,
        rate=5e-4,
        decays=False,
        on_weight=3.0,
        clipnorm=None,
        nets=50_000,
    ),
}
