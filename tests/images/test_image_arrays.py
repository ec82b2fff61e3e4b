import io
from functools import partial

import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.images.arrays import check_rgb, read_array

RGB = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
WRONG = {
    "float32": (RGB / np.float32(255), "multiply values in 0..1 by 255 and convert them to uint8"),
    "float64": (RGB / 255, "multiply values in 0..1 by 255"),
    "uint16": (RGB.astype(np.uint16), "from 0..65535 by dividing by 257"),
    "int64": (RGB.astype(np.int64), "scale values to 0..255 and convert"),
    "bool": (RGB > 9, "multiply by 255"),
    "one channel": (RGB[:, :, :1], "repeat the grey channel"),
    "grey": (RGB[:, :, 0], "repeat the grey channel"),
    "channels first": (RGB.transpose(2, 0, 1), "move the channels to the last axis"),
    "stack": (RGB[None], "one by one"),
    "RGBA": (np.zeros((4, 5, 4), np.uint8), "drop the fourth channel"),
    "two channels": (RGB[:, :, :2], r"uint8 \[H, W, 3\]\.$"),
    "no pixels": (np.zeros((0, 0, 3), np.uint8), "has no pixels"),
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz():
    file = io.BytesIO()
    np.savez(file, image=RGB)
    return file.getvalue()


@pytest.mark.parametrize(("array", "hint"), WRONG.values(), ids=WRONG)
def test_other_arrays_are_refused_in_one_sentence(array, hint, tmp_path):
    np.save(tmp_path / "part.npy", array)
    sources = [
        partial(ImageFeatures.of_arrays, [RGB, array], None),
        lambda: list(ImageFeatures.of_folder(str(tmp_path), None).pixels(4)),
    ]
    for name, use in zip(["'1'", "'part.npy'"], sources, strict=True):
        with pytest.raises(InputError, match=rf"^Image {name} is {array.dtype} \[.*{hint}"):
            use()


def test_lists_are_no_images():
    with pytest.raises(InputError, match=r"^Image '0' is of type list: give .* numpy array, uint8"):
        ImageFeatures.of_arrays([RGB.tolist()], None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"some text",
        npy(RGB)[:-7],
        npy(RGB)[:20],
        npy(RGB).replace(b"'shape'", b"'shap((", 1),
        npy(np.array([None, {}], object)),
        npz(),
    ],
    ids=["empty", "text", "cut off", "header cut off", "header broken", "objects", "npz"],
)
def test_files_without_an_array_are_refused_in_one_sentence(data):
    with pytest.raises(
        InputError, match=r"^Image 'a.npy' is no array that numpy can read"
    ) as error:
        read_array(data, "'a.npy'")
    assert "\n" not in str(error.value)


def test_rgb_images_are_read_as_they_are():
    for image in (RGB, np.asfortranarray(RGB)):
        check_rgb(image, "The image")
        np.testing.assert_array_equal(read_array(npy(image), "a.npy"), RGB)
