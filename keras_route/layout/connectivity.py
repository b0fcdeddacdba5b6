"""Whether the metal of a label image joins its pins."""

from keras import ops

from keras_route.technology.layers import LAYERS, METALS


def connected(labels):
    """Return which nets are one connected piece that holds all of their pins.

    - Metal joins its neighbours only along the direction of its layer, so wires on neighbouring
      tracks are different wires.
    - A via joins the metals below and above it at its pixel.
    - A pin lies on the lowest metal at its pixel. A pin without metal is not joined.
    - A loose wire or a via without metal is a second piece.

    A via with one metal, and a wire that ends without pin or via, are allowed here; see `check`.

    Args:
        labels: (batch, height, width, 8), nonzero where a layer is on, in the order of `LAYERS`.
            Height and width must be known, even while Keras traces a graph.

    Returns:
        Booleans of shape (batch,); False for a net without pins.

    Raises:
        ValueError: `labels` has another shape.
    """
    labels = _checked(labels)
    pins, metals, vias = labels[..., 0], labels[..., 1::2], labels[..., 2::2]  # as in LAYERS
    reached = _flood(_landing(_first(pins), metals), metals, vias)

    loose = ops.any(metals & ~reached, axis=(1, 2, 3))
    bare_pin = ops.any(pins & ~ops.any(metals, axis=-1), axis=(1, 2))
    bare_via = ops.any(vias & ~(metals[..., :-1] | metals[..., 1:]), axis=(1, 2, 3))
    return ops.any(pins, axis=(1, 2)) & ~(loose | bare_pin | bare_via)


def _checked(labels):
    shape = tuple(labels.shape)
    if len(shape) != 4 or shape[-1] != len(LAYERS) or None in shape[1:]:
        raise ValueError(
            f"Label images have the shape (batch, height, width, {len(LAYERS)}), one channel for "
            f"each of {', '.join(LAYERS)}, of known height and width: decide scores first, add the "
            "axis of the batch, give all images of a data set one size. "
            f"Received: labels of shape {shape}"
        )
    return ops.cast(labels, "bool")


def _first(pins):
    """Keep the first pin of each image."""
    _, height, width = pins.shape
    flat = ops.reshape(pins, (-1, height * width))
    first = ops.argmax(ops.cast(flat, "int32"), axis=1)
    only = ops.arange(height * width) == first[:, None]
    return ops.reshape(flat & only, (-1, height, width))


def _landing(pins, metals):
    """Return the pixels of each metal on which a pin lands: the lowest metal of its pixel."""
    lowest = ops.cumsum(ops.cast(metals, "int32"), axis=-1) == 1
    return pins[..., None] & metals & lowest


def _flood(seeds, metals, vias):
    """Return the metal that is joined to the seeds, by spreading until nothing changes.

    Each step spreads through vias and along runs. Seeds and metals have 4 channels, m3 to m6; vias
    have 3.
    """
    runs, count = _runs(metals)

    def spread(grew, reached):
        joint = vias & (reached[..., :-1] | reached[..., 1:])
        none = ops.zeros_like(joint[..., :1])
        below, above = ops.concatenate([joint, none], -1), ops.concatenate([none, joint], -1)
        touched = reached | below | above
        hits = ops.segment_max(_flat(touched & metals), _flat(runs), num_segments=count)
        after = (ops.take(hits, runs) > 0) & metals
        return ops.any(after & ~reached), after

    grew = ops.convert_to_tensor(True)
    return ops.while_loop(lambda grew, reached: grew, spread, (grew, seeds))[1]


def _runs(metals):
    """Return the number of the run at every pixel of all metals, and a bound of the numbers.

    Along a line, the number rises at each pixel without metal, and the run behind it keeps it.
    """
    batch, height, width, _ = ops.shape(metals)
    rows = ops.reshape(ops.arange(batch * height), (-1, height, 1))
    columns = ops.reshape(ops.arange(batch * width), (-1, 1, width))
    numbers, count = [], 0
    for i, metal in enumerate(METALS.values()):
        lines, length, axis = (rows, width, 2) if metal.horizontal else (columns, height, 1)
        gaps = ops.cumsum(ops.cast(~metals[..., i], "int32"), axis=axis)
        numbers.append(count + lines * (length + 1) + gaps)
        count += batch * (height * width // length) * (length + 1)
    return ops.stack(numbers, axis=-1), count


def _flat(x):
    return ops.reshape(ops.cast(x, "int32"), (-1,))
