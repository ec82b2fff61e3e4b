"""Images that are no squares: sizes, features, regions and maps, against those of squares or a plain loop."""

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import validated
from reb_pipeline.core.sizes import at_most, shape_of, size_of
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.levels import LevelExtractor
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.settings import DEMO
from reb_pipeline.images.region import Region
from reb_pipeline.images.resize import resize_image
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps, anomaly_map, resize_map

SIDES = st.integers(32, 4096)


@given(SIDES, SIDES)
def test_a_square_of_height_and_width_is_the_number(height: int, width: int) -> None:
    size = FeatureSettings(image_size=[height, width]).image_size
    assert size == (height if height == width else [height, width])
    assert shape_of(size) == (height, width)
    assert FeatureSettings(image_size=(height, width)) == FeatureSettings(image_size=size)


@pytest.mark.parametrize(
    "given",
    [[], [64], [64, 64, 3], [64, 0], [8, 480], [480, 16385], [64.5, 64], ["h", "w"], [None, 64],
     [[64, 64]], "64x64", {"height": 64}, 31, 2**70],
)  # fmt: skip
def test_sizes_that_no_network_can_use_get_a_sentence(given: Any) -> None:
    with pytest.raises(
        InputError, match=r"^features.image_size cannot be used: Input should be "
    ) as error:
        validated(FeatureSettings, {"image_size": given}, "features")
    assert str(error.value).count("\n") == 0
    if isinstance(given, list):
        assert "[height, width], from 32 to 16384 pixels each" in str(error.value)


@pytest.mark.parametrize(
    ("size", "tile", "expected"),
    [
        ([192, 480], None, [192, 480]),
        ([64, 2560], 256, [64, 256]),
        ([512, 640], 128, 128),
        (64, 96, 64),
    ],
)
def test_the_network_sees_the_image_or_a_tile(size: Any, tile: int | None, expected: Any) -> None:
    assert FeatureSettings(image_size=size, tile_size=tile).network_size == expected


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None).state_dict()


def extractor(state: dict[str, torch.Tensor], **given: Any) -> PatchExtractor:
    backbone = BackboneWeights(state, {"backbone": "resnet18", "weights": "imagenet"})
    about = {"backbone": "resnet18", "layers": ["layer1", "layer2"], **given}
    return PatchExtractor(FeatureSettings(**about), backbone, "cpu")


IMAGE = np.concatenate([draw_part(0)[0], draw_part(1)[0][:, :32]], axis=1)  # 64 x 96


def test_features_of_a_rectangle_are_those_of_the_square_around_it(
    state: dict[str, torch.Tensor],
) -> None:
    """The upper half sees the same pixels in both: layer1 and the neck see 27 + 4 pixels to either side."""
    found = extractor(state, layers=["layer1"], image_size=[64, 96])([IMAGE])
    assert found.shape[:3] == (1, 16, 24)
    square = np.pad(IMAGE, ((0, 32), (0, 0), (0, 0)))
    expected = extractor(state, layers=["layer1"], image_size=96)([square])
    np.testing.assert_allclose(found[0, :8], expected[0, :8], rtol=1e-4, atol=1e-4)


def test_a_square_gives_the_same_bits_by_either_name(state: dict[str, torch.Tensor]) -> None:
    by_number, by_both = (extractor(state, image_size=size)([IMAGE]) for size in (64, [64, 64]))
    np.testing.assert_array_equal(by_number, by_both)


def test_levels_have_grids_of_the_aspect(state: dict[str, torch.Tensor]) -> None:
    levels = LevelExtractor(
        "resnet18", image_size=[64, 96], layers=["layer1", "layer2"], weights=state
    )
    assert [level.shape for level in levels([IMAGE])] == [(1, 16, 24, 64), (1, 8, 12, 128)]


def test_a_bank_of_rectangles_is_one_of_its_size_only(state: dict[str, torch.Tensor]) -> None:
    about = FeatureSettings(backbone="resnet18", image_size=[64, 96])
    weights = BackboneWeights(state, {"backbone": "resnet18", "weights": "imagenet"})
    grids = [
        (str(seed), np.random.default_rng(seed).random((3, 5, 2), np.float32)) for seed in (0, 1)
    ]
    bank = collect_patches(grids, 2, about.provenance(weights))
    assert bank.extractor["image_size"] == [64, 96]
    assert bank.grids.shape == (2, 3, 5, 2)
    bank.check_extractor({"image_size": about.image_size})
    with pytest.raises(
        InputError, match=r"made with image_size = \[64, 96\], not 64: run the pipeline"
    ):
        bank.check_extractor({"image_size": 64})


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 7), st.integers(1, 7), st.integers(4, 40), st.integers(4, 40), st.floats(0, 30)
)
def test_maps_have_the_size_and_are_smoothed_alike_along_both_axes(
    rows: int, columns: int, height: int, width: int, sigma: float
) -> None:
    scores = np.random.default_rng(rows).random((rows, columns), np.float32)
    found = anomaly_map(scores, [height, width], sigma)
    assert found.shape == (height, width)
    pixels = sigma * np.sqrt(height * width) / 256
    expected = gaussian_filter(
        resize_map(scores, (height, width)).astype(float), pixels, mode="reflect"
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_stored_maps_of_rectangles() -> None:
    maps = AnomalyMaps(np.ones((1, 2, 3), np.float32), ["part"], [16, 24], 4.0)
    assert maps["part"].shape == (16, 24)
    assert maps.at("part", (32, 48)).shape == (32, 48)


LEFT = Region.of_polygons([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])


@settings(max_examples=10)
@given(st.integers(2, 60), st.integers(2, 60))
def test_a_region_has_the_size_of_the_images(height: int, width: int) -> None:
    inside = LEFT.at([height, width])
    assert inside.shape == (height, width)
    assert abs(inside.mean() - 0.5) <= 0.5 / width + 1e-9
    again = Region.of_json(LEFT.as_json([height, width]))
    assert again is not None
    np.testing.assert_array_equal(again.mask, inside)
    assert LEFT.as_json([height, height]) == LEFT.as_json(height)


def test_what_lies_outside_of_the_region_of_a_rectangle_changes_nothing(
    state: dict[str, torch.Tensor],
) -> None:
    corners = [[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]]
    left = extractor(state, image_size=[64, 96], region=corners)
    other = IMAGE.copy()
    other[:, 48:] = 255 - other[:, 48:]
    np.testing.assert_array_equal(left([IMAGE]), left([other]))
    assert (left([IMAGE]) != extractor(state, image_size=[64, 96])([IMAGE])).any()


@given(SIDES, SIDES)
def test_fine_tuning_sees_the_aspect_with_as_many_pixels(height: int, width: int) -> None:
    rows, columns = shape_of(DEMO.size_of_images(size_of(height, width)))
    assert rows >= 32
    assert columns >= 32
    if height == width:
        assert rows == columns == DEMO.image_size
    elif 1 / 4 <= height / width <= 4:
        assert abs(np.log(rows * columns / DEMO.image_size**2)) < 0.25
        assert abs(np.log(rows * width / columns / height)) < 0.25


def test_resized_images_are_those_of_pillow() -> None:
    assert resize_image(IMAGE, (16, 24)).shape == (16, 24, 3)
    np.testing.assert_array_equal(resize_image(IMAGE, [48, 48]), resize_image(IMAGE, 48))


@given(SIDES, SIDES, st.integers(32, 512))
def test_sizes_are_shrunk_to_a_number_of_pixels_in_their_aspect(
    height: int, width: int, side: int
) -> None:
    found = shape_of(at_most([height, width], side))
    if height * width <= side**2:
        assert found == (height, width)
    else:
        factor = side / np.sqrt(height * width)
        assert abs(found[0] - height * factor) <= 0.5 + 1e-9
        assert abs(found[1] - width * factor) <= 0.5 + 1e-9
