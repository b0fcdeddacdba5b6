"""Images of a folder as arrays."""

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
    if shape is None or len(shape) != 4 or None in shape[1:3] or shape[3] not in COLORS:
        raise ValueError(
            "A folder of images is for a model with one input (height, width, channels) of fixed "
            f"size and 1, 3 or 4 channels: give arrays in a .npz file. Received: {folder} for "
            f"an input of shape {shape}"
        )
    paths, classes = _files(folder)
    if not paths:
        raise ValueError(
            f"A folder must hold images ({', '.join(SUFFIXES)}), or a folder of them for each "
            f"class. Received: {folder}"
        )
    indices = chosen(len(paths))
    x = np.stack([_image(paths[index], shape) for index in indices])
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


def _image(path, shape):
    image = keras.utils.load_img(
        path, color_mode=COLORS[shape[3]], target_size=shape[1:3], interpolation="bilinear"
    )
    return keras.utils.img_to_array(image, data_format="channels_last", dtype="float32")
