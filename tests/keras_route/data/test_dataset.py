import keras
import numpy as np
import pytest

from keras_route.data.dataset import FixedNets, NetDataset
from keras_route.data.random_nets import generate


def images(dataset, epoch):
    """Return all pins and labels of one epoch."""
    dataset.epoch = epoch
    return [np.concatenate(arrays) for arrays in zip(*dataset, strict=True)]


def pixel_classifier(seed=0):
    """Return a compiled model that does not learn."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(8, 3, padding="same")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def test_batches_look_like_generated_nets():
    for options in ({}, {"height": 8, "width": 16, "max_pins": 3, "split": "validation"}):
        (x, y), like = NetDataset(5, 2, **options)[1], generate(5, **options)
        for array, generated in zip((x, y), like, strict=True):
            assert array.shape == generated.shape
            assert array.dtype == generated.dtype
        np.testing.assert_array_equal(x[..., 0], y[..., 0])


def test_a_batch_depends_on_seed_epoch_and_index_only():
    dataset = NetDataset(4, 3, seed=1)
    again = NetDataset(4, 7, seed=1, initial_epoch=2)
    expected = images(dataset, 2)
    for found, array in zip(zip(again[1], strict=True), expected, strict=True):
        np.testing.assert_array_equal(found[0], array[4:8])

    keys = [(1, 2, 1), (2, 1, 1), (1, 1, 2), (1, 0, 0), (0, 0, 0), (0, 1, 0), (0, 0, 1)]
    found = [NetDataset(4, 3, seed=s, initial_epoch=e)[i][1].tobytes() for s, e, i in keys]
    assert len(set(found)) == len(keys)


def test_every_epoch_of_fit_has_nets_of_its_own_and_a_second_run_the_same():
    options = {"height": 8, "width": 8, "seed": 3}
    model = pixel_classifier()

    def losses_from(epoch):
        # A sum of losses depends on their order in the last bit, and `fit` shuffles.
        how = {"initial_epoch": epoch, "epochs": 3, "shuffle": False, "verbose": 0}
        dataset = NetDataset(4, 5, initial_epoch=epoch, **options)
        return model.fit(dataset, **how).history["loss"]

    losses = losses_from(0)

    assert losses_from(0) == losses
    assert losses_from(1) == losses[1:]
    assert len(set(losses)) == 3
    for epoch, loss in enumerate(losses):
        x, y = images(NetDataset(4, 5, **options), epoch)
        assert model.evaluate(x, y, verbose=0) == pytest.approx(loss, rel=1e-5)


def test_training_goes_on_with_new_nets_in_a_second_fit():
    dataset = NetDataset(4, 5, height=8, width=8)
    model = pixel_classifier()
    fits = [model.fit(dataset, epochs=2, verbose=0).history["loss"] for _ in range(2)]
    assert len({*fits[0], *fits[1]}) == 4
    assert dataset.epoch == 3


def test_one_epoch_repeats_bit_for_bit_and_is_disjoint_from_validation():
    options = {"height": 8, "width": 8, "max_pins": 2}
    validation = generate(50, split="validation", **options)

    def run():
        model = pixel_classifier()
        dataset = NetDataset(8, 10, split="train", **options)
        history = model.fit(dataset, validation_data=validation, epochs=1, verbose=0).history
        return history, images(dataset, 0)[0]

    (first, seen), (second, _) = run(), run()

    assert first == second
    assert not {v.tobytes() for v in validation[0]} & {s.tobytes() for s in seen}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"batch_size": 0}, ValueError, "`batch_size`"),
        ({"steps_per_epoch": None}, TypeError, "`steps_per_epoch`"),
        ({"initial_epoch": -1}, ValueError, "`initial_epoch`"),
        ({"seed": 0.5}, TypeError, "`seed`"),
        ({"max_pins": 1}, ValueError, "`max_pins`"),
        ({"pins": 3}, TypeError, "pins"),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(options, error, words):
    with pytest.raises(error, match=words):
        NetDataset(**options)


def test_there_is_no_batch_behind_the_last():
    with pytest.raises(IndexError, match="below 3"):
        NetDataset(4, 3)[3]


def test_fixed_nets_come_once_an_epoch_each_time_in_another_order():
    options = {"height": 8, "width": 9, "split": "train"}
    x, y = generate(12, seed=3, **options)
    dataset = FixedNets(12, 4, 3, seed=3, **options)
    first, second, again = (images(dataset, epoch) for epoch in (0, 1, 0))

    def pairs(pins, labels):
        return [p.tobytes() + label.tobytes() for p, label in zip(pins, labels, strict=True)]

    assert pairs(*first) == pairs(*again) != pairs(*second) != pairs(x, y) != pairs(*first)
    assert sorted(pairs(*first)) == sorted(pairs(*second)) == sorted(pairs(x, y))


def test_an_epoch_of_fixed_nets_takes_none_twice():
    with pytest.raises(ValueError, match="count=7, batch_size=2, steps_per_epoch=4"):
        FixedNets(7, 2, 4)
    assert len(FixedNets(9, 2, 4, height=8, width=8)) == 4
