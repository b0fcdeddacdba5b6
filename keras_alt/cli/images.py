"""Images as arrays."""

import os

import keras
import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
COLORS = {1: "grayscale", 3: "rgb", 4: "rgba"}


def read_images(folder: str, shape, chosen) -> tuple[np.ndarray, np.ndarray | None]:
    """Return images in 0..255, resized to the input of a model, and their classes.

    A class is a folder in `folder`; its number is its place in the order of names. Images that lie
    in `folder` itself have no classes.

    Args:
        folder: path.
        shape: of the model's input, with the batch; None if there is no model.
        chosen: function of the number of images that returns the indices of those to read.

    Raises:
        ValueError: the model takes no images of a fixed size, or there are none.
        ImportError: Pillow is not installed.
    """
    _require_shape_of_images(shape, folder)
    paths, classes = _files(folder)
    if not paths:
        raise ValueError(
            f"A folder must hold images ({', '.join(SUFFIXES)}), or a folder of them for each "
            f"class. Received: {folder}"
        )
    indices = chosen(len(paths))
    x = np.stack([read_image(paths[index], shape, folder) for index in indices])
    return x, None if classes is None else np.array([classes[index] for index in indices])


def _files(folder):
    names = sorted(os.listdir(folder))
    plain = [os.path.join(folder, name) for name in names if name.lower().endswith(SUFFIXES)]
    if plain:
        return plain, None
    folders = [name for name in names if os.path.isdir(os.path.join(folder, name))]
    found = [
        (os.path.join(folder, name, file), label)
        for label, name in enumerate(folders)
        for file in sorted(os.listdir(os.path.join(folder, name)))
        if file.lower().endswith(SUFFIXES)
    ]
    return [path for path, _ in found], [label for _, label in found]


def read_image(file, shape, source: str) -> np.ndarray:
    """Return an image in 0..255, resized to the input of a model.

    Args:
        file: path or open file.
        shape: of the model's input, with the batch.
        source: where the file comes from, for messages.

    Raises:
        ValueError: the model takes no images of a fixed size, or the file is no image.
        ImportError: Pillow is not installed.
    """
    _require_shape_of_images(shape, source)
    try:
        image = keras.utils.load_img(
            file, color_mode=COLORS[shape[3]], target_size=shape[1:3], interpolation="bilinear"
        )
    except OSError as error:
        raise ValueError(
            f"An image must be a file that Pillow reads. Received: {source}"
        ) from error
    return keras.utils.img_to_array(image, data_format="channels_last", dtype="float32")


def _require_shape_of_images(shape, source):
    if shape is None or len(shape) != 4 or None in shape[1:3] or shape[3] not in COLORS:
        raise ValueError(
            "Images are for a model with one input (height, width, channels) of fixed size and 1, "
            f"3 or 4 channels: give arrays in a .npz file. Received: {source} for an input of "
            f"shape {shape}"
        )
