import cv2
import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.saliency import SALIENCY, or_whole_image, saliency_estimator

RNG = np.random.default_rng(0)


def disc(height=200, width=150, centre=(70, 90), radius=35):
    """A noisy image with one disc of another colour, and where it is."""
    image = np.full((height, width, 3), (40, 50, 60), np.uint8)
    truth = cv2.circle(np.zeros((height, width), np.uint8), centre, radius, 1, -1).astype(bool)
    image[truth] = (210, 170, 90)
    return image + RNG.integers(0, 12, image.shape, dtype=np.uint8), truth


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_everything_is_salient_in_a_texture():
    image, _ = disc()
    assert saliency_estimator("whole_image")("a.png", image).all()


@pytest.mark.parametrize(("method", "least"), [("grabcut", 0.9), ("spectral_residual", 0.3)])
def test_classical_methods_find_a_disc(method, least):
    image, truth = disc(radius=20)
    salient = saliency_estimator(method)("a.png", image)
    assert salient.dtype == bool
    assert salient.shape == truth.shape
    assert overlap(salient, truth) > least


@pytest.mark.parametrize("method", ["grabcut", "spectral_residual"])
def test_classical_methods_do_not_depend_on_the_order(method):
    images = [disc(radius=radius)[0] for radius in (10, 30, 50)]
    estimate = saliency_estimator(method)
    forth = [estimate("", image) for image in images]
    back = [estimate("", image) for image in images[::-1]][::-1]
    assert all((one == other).all() for one, other in zip(forth, back, strict=True))


@pytest.mark.parametrize("method", ["grabcut", "spectral_residual", "whole_image"])
@pytest.mark.parametrize("size", [(1, 1), (2, 90), (33, 31), (300, 20)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_and_tiny_images_are_no_error(method, size, value):
    salient = saliency_estimator(method)("", np.full((*size, 3), value, np.uint8))
    assert salient.shape == size
    assert salient.dtype == bool


def test_fallback_is_reported():
    nothing, something = np.zeros((4, 6), bool), np.eye(4, 6, dtype=bool)
    whole, fell_back = or_whole_image(nothing)
    assert whole.all()
    assert whole.shape == (4, 6)
    assert fell_back is True
    kept, fell_back = or_whole_image(something)
    np.testing.assert_array_equal(kept, something)
    assert fell_back is False
    assert not nothing.any()


def test_folder_finds_maps_beside_the_relative_path(tmp_path):
    (tmp_path / "good").mkdir()
    soft = np.zeros((20, 30), np.uint8)
    soft[:, 15:], soft[:, :5] = 200, 9  # the left is ringing, far below half of the maximum
    cv2.imwrite(str(tmp_path / "good" / "000_saliency.png"), soft)
    cv2.imwrite(str(tmp_path / "good" / "000.png"), np.zeros((20, 30), np.uint8))
    cv2.imwrite(str(tmp_path / "good" / "001.bmp"), soft[:, ::-1])
    estimate = saliency_estimator("folder", str(tmp_path))
    image = np.zeros((40, 60, 3), np.uint8)
    right = np.zeros((40, 60), bool)
    right[:, 30:] = True
    np.testing.assert_array_equal(estimate("good/000.jpg", image), right)
    np.testing.assert_array_equal(estimate("good/001.png", image), right[:, ::-1])
    cv2.imwrite(str(tmp_path / "good" / "002.png"), 0 * soft)
    assert not saliency_estimator("folder", str(tmp_path))("good/002.png", image).any()
    with pytest.raises(InputError, match=r"'000.png' has no saliency map .* '000_saliency.png'"):
        estimate("000.png", image)


@pytest.mark.parametrize(
    ("method", "source", "sentence"),
    [
        ("grabkut", None, "did you mean 'grabcut'"),
        ("onnx", None, "give the path of a model"),
        ("folder", "", "give the path of a folder"),
        ("folder", "/absent/maps", "does not exist"),
        ("onnx", "/absent/model.onnx", "missing or not one that OpenCV can run"),
        ("onnx", __file__, "missing or not one that OpenCV can run"),
    ],
)
def test_unusable_sources_are_said_at_once(method, source, sentence):
    with pytest.raises(InputError, match=sentence):
        saliency_estimator(method, source)


def test_a_new_method_is_one_line(monkeypatch):
    monkeypatch.setitem(SALIENCY, "red", lambda _source: lambda _path, image: image[..., 0] > 99)
    image, truth = disc()
    np.testing.assert_array_equal(saliency_estimator("red")("", image), truth)


def field(number, value):
    """One field of a protobuf message: an integer, or bytes, or text."""
    if isinstance(value, int):
        assert value < 128
        return bytes([number << 3, value])
    value = value.encode() if isinstance(value, str) else value
    length = bytes([len(value) & 127 | 128, len(value) >> 7])
    return bytes([number << 3 | 2]) + length + value


def tensor_info(name, shape):
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def sum_of_channels(path, channels_out=1):
    """An ONNX file: sigmoid of the summed channels of a 1 x 3 x 48 x 64 input."""
    weight = np.ones((channels_out, 3, 1, 1), np.float32)
    initializer = b"".join(field(1, size) for size in weight.shape)
    initializer += field(2, 1) + field(8, "w") + field(9, weight.tobytes())
    convolution = field(1, "x") + field(1, "w") + field(2, "sum") + field(4, "Conv")
    sigmoid = field(1, "sum") + field(2, "map") + field(4, "Sigmoid")
    graph = field(1, convolution) + field(1, sigmoid) + field(2, "g") + field(5, initializer)
    graph += field(11, tensor_info("x", (1, 3, 48, 64)))
    graph += field(12, tensor_info("map", (1, channels_out, 48, 64)))
    path.write_bytes(field(1, 8) + field(8, field(1, "") + field(2, 13)) + field(7, graph))
    return str(path)


def test_network_maps_are_halved_and_enlarged(tmp_path):
    estimate = saliency_estimator("onnx", sum_of_channels(tmp_path / "sum.onnx"))
    image, truth = disc()
    assert overlap(estimate("", image), truth) > 0.9
    assert not estimate("", np.zeros_like(image)).any()  # a faint map shows nothing


def test_networks_without_a_map_are_said(tmp_path):
    with pytest.raises(InputError, match=r"gives \[1, 2, 48, 64\] instead of a map"):
        saliency_estimator("onnx", sum_of_channels(tmp_path / "two.onnx", channels_out=2))
