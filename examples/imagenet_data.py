"""Images of ImageNet for `imagenet.py`: JPEG folders or TFRecords as `tf.data`."""

import inspect
import random

import keras
import tensorflow as tf

from keras_alt.files import written_whole

SHORTER_SIDE = 256 / 224  # of the resized image, in crop sizes
SHUFFLED = 10_000  # images, as in the paper
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    # 1 is the first class, as in the records that TensorFlow's own script writes.
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
}


def write_records(folder, records, split, shards):
    """Write the JPEG files of a split into shards; return how many shards were missing.

    A shard is complete or absent, so the command continues where it was interrupted.
    """
    records.mkdir(parents=True, exist_ok=True)
    files = labelled_files(folder, split)
    random.Random(0).shuffle(files)
    missing = 0
    for shard in range(shards):
        path = records / f"{split}-{shard:05}-of-{shards:05}"
        if path.exists():
            continue
        missing += 1
        with written_whole(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
            for file, label in files[shard::shards]:
                writer.write(example(file.read_bytes(), label).SerializeToString())
    return missing


def example(jpeg, label):
    values = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg])),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label + 1])),
    }
    return tf.train.Example(features=tf.train.Features(feature=values))


def labelled_files(folder, split):
    """Return (file, label) of every image; labels count the sorted names of the class folders."""
    classes = sorted(path for path in (folder / split).iterdir() if path.is_dir())
    return [
        (file, label)
        for label, wnid in enumerate(classes)
        for file in sorted(wnid.iterdir())
        if file.suffix.lower() in (".jpeg", ".jpg")
    ]


def training(data, size, batch, preprocess, seed):
    """Return endless batches of random crops, half of them mirrored."""

    def augmented(jpeg, label):
        image = tf.image.random_crop(resized(jpeg, size), (size, size, 3))
        return tf.image.random_flip_left_right(image), label

    images = encoded(data, "train", seed).shuffle(SHUFFLED, seed).repeat()
    return batches(images.map(augmented, tf.data.AUTOTUNE), batch, preprocess)


def evaluation(data, split, size, batch, preprocess, seed=None):
    """Return batches of central crops, in the order of the files or shuffled by a seed."""

    def cropped(jpeg, label):
        return tf.image.resize_with_crop_or_pad(resized(jpeg, size), size, size), label

    return batches(encoded(data, split, seed).map(cropped, tf.data.AUTOTUNE), batch, preprocess)


def batches(images, batch, preprocess):
    images = images.batch(batch).map(lambda x, y: (preprocess(x), y), tf.data.AUTOTUNE)
    return images.prefetch(tf.data.AUTOTUNE)


def encoded(data, split, seed=None):
    """Return (JPEG bytes, label) of every image of a split, its files shuffled if there is a seed.

    Args:
        data: folder that holds `<split>/<wnid>/*.JPEG`, or records `<split>-00000-of-00128`.
    """
    if (data / split).is_dir():
        files = labelled_files(data, split)
        if seed is not None:
            random.Random(seed).shuffle(files)
        paths, labels = [str(path) for path, _ in files], [label for _, label in files]
        pairs = tf.data.Dataset.from_tensor_slices((paths, labels))
        return pairs.map(lambda path, label: (tf.io.read_file(path), label), tf.data.AUTOTUNE)
    shards = complete_shards(data, split)
    if seed is not None:
        random.Random(seed).shuffle(shards)
    records = tf.data.Dataset.from_tensor_slices(shards)
    records = records.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE)
    return records.map(parsed, tf.data.AUTOTUNE)


def complete_shards(data, split):
    shards = sorted(str(path) for path in data.glob(f"{split}-?????-of-?????"))
    if not shards or len(shards) != int(shards[-1][-5:]):
        raise ValueError(
            f"`--data` must hold the folder '{split}' with a folder of JPEG files for each class, "
            f"or all records '{split}-00000-of-...': `prepare` writes them, and continues where it "
            f"was interrupted. Received: data={str(data)!r} with {len(shards)} records"
        )
    return shards


def parsed(record):
    features = tf.io.parse_single_example(record, FEATURES)
    return features["image/encoded"], tf.cast(features["image/class/label"], tf.int32) - 1


def resized(jpeg, size):
    """Decode an image and scale its shorter side to 256 for a crop of 224."""
    image = tf.image.decode_jpeg(jpeg, channels=3)
    sides = tf.cast(tf.shape(image)[:2], "float32")
    scale = round(size * SHORTER_SIDE) / tf.reduce_min(sides)
    return tf.image.resize(image, tf.cast(tf.round(sides * scale), "int32"), antialias=True)


def preprocess_input(family):
    """Return the function by which a family of `keras.applications` prepares its images."""
    module = getattr(keras.applications, family, None)
    if not hasattr(module, "preprocess_input"):
        raise ValueError(
            "`--family` must be a module of `keras.applications` with `preprocess_input`, such as "
            f"mobilenet_v2. Received: family={family!r}"
        )
    return module.preprocess_input


def family_of(network):
    """Return the module of `keras.applications` that has a network, such as MobileNetV2."""
    for name, module in inspect.getmembers(keras.applications, inspect.ismodule):
        if hasattr(module, network) and hasattr(module, "preprocess_input"):
            return name
    raise ValueError(
        "The network must be a function of `keras.applications` or a .keras file. "
        f"Received: network={network!r}"
    )
