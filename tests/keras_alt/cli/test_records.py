"""TFRecord files give the samples that were written into them, or say what they hold instead."""

import io

import keras
import numpy as np
import pytest

from keras_alt.cli.data import Choice, read_data

tf = pytest.importorskip("tensorflow")


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    value = np.ravel(value)
    if np.issubdtype(value.dtype, np.integer):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=value))
    return tf.train.Feature(float_list=tf.train.FloatList(value=value))


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            features = {name: feature(value) for name, value in record.items()}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return str(path)


def image_file(pixels):
    file = io.BytesIO()
    pytest.importorskip("PIL.Image").fromarray(pixels).save(file, "png")
    return file.getvalue()


IMAGE = keras.Input((4, 3, 3), name="photo")
LINE = keras.Input((5,), name="line")


@pytest.mark.parametrize(
    ("image", "label"), [("image/encoded", "image/class/label"), ("image", "label")]
)
def test_images_are_decoded(image, label, tmp_path, rng):
    pixels = rng.integers(0, 256, (6, 4, 3, 3), dtype="uint8")
    records = [{image: image_file(p), label: i} for i, p in enumerate(pixels)]
    path = write(tmp_path / "a.tfrecord", records)

    data = read_data(path, [IMAGE], Choice(samples=3, scale=2.0))

    taken = Choice(samples=3).indices(6)
    np.testing.assert_array_equal(data.x, 2.0 * pixels[taken])
    np.testing.assert_array_equal(data.y, taken)


@pytest.mark.parametrize("kind", ["float32", "int64", "bytes"])
@pytest.mark.parametrize("name", ["photo", "x"])
def test_numbers_get_the_shape_of_the_input(name, kind, tmp_path, rng):
    values = rng.integers(0, 256, (2, 4, 3, 3))
    kinds = {"bytes": lambda v: v.astype("uint8").tobytes()}
    make = kinds.get(kind, lambda v: v.astype(kind))
    path = write(tmp_path / "a.tfrecord-00000-of-00001", [{name: make(v)} for v in values])

    data = read_data(path, [IMAGE], Choice())

    np.testing.assert_array_equal(data.x, values)
    assert data.x.dtype == "float32"
    assert data.y is None


def test_shards_and_several_inputs_are_read(tmp_path, rng):
    lines, photos = rng.normal(size=(4, 5)), rng.normal(size=(4, 4, 3, 3))
    records = [{"line": a, "photo": b, "y": 1} for a, b in zip(lines, photos, strict=True)]
    for i in range(2):
        write(tmp_path / f"{i}.tfrecord", records[2 * i : 2 * i + 2])

    data = read_data(str(tmp_path / "*.tfrecord"), [LINE, IMAGE], Choice())

    np.testing.assert_array_equal(data.x["line"], lines.astype("float32"))
    np.testing.assert_array_equal(data.x["photo"], photos.astype("float32"))
    np.testing.assert_array_equal(data.y, np.ones(4))


FAULTS = {
    "another name": (
        [{"pixels": np.zeros(36), "id": 3}],
        r"photo, x, .*id \(1 int64\), pixels \(36",
    ),
    "another size": ([{"photo": np.zeros(35)}], r"4x3x3 numbers.*photo \(35 float"),
    "no image": ([{"image": b"nothing"}], "Pillow"),
    "a record without": ([{"x": np.zeros(36)}, {"z": 1.0}], r"'x' must.*record of z \(1 float"),
    "a label in words": ([{"x": np.zeros(36), "label": b"cat"}], r"'label' must be one number"),
    "no records": ([], "must hold some"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_else_a_record_holds_is_told(fault, tmp_path):
    records, told = FAULTS[fault]
    path = write(tmp_path / "a.tfrecord", records)

    with pytest.raises(ValueError, match=told):
        read_data(path, [IMAGE], Choice())


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.tfrecord").write_text("nothing of the kind")
    with tf.io.TFRecordWriter(str(tmp_path / "words.tfrecord")) as writer:
        writer.write(b"nothing of the kind")

    for name in ("text", "words"):
        with pytest.raises(ValueError, match=r"must be a `tf.train.Example`"):
            read_data(str(tmp_path / f"{name}.tfrecord"), [IMAGE], Choice())
    with pytest.raises(FileNotFoundError, match="must exist"):
        read_data(str(tmp_path / "missing.tfrecord"), [IMAGE], Choice())
    path = write(tmp_path / "a.tfrecord", [{"x": np.zeros(36)}])
    with pytest.raises(ValueError, match="leave out the file of labels"):
        read_data(path, [IMAGE], Choice(), labels="y.npy")
    with pytest.raises(ValueError, match="a model that tells the shapes"):
        read_data(path, None, Choice())
