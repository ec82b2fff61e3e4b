"""Tiles against the whole image and against a search for the tile in which each patch lies deepest."""

from itertools import product

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.backbones import load_backbone
from reb_pipeline.features.batches import batches
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.features.tiles import Tiles, coarsest_stride

STRIDE, PATCH = 8, 4


def places(size: Size) -> np.ndarray:
    """An image in which each patch has its row and column as colours."""
    rows, columns = np.indices(shape_of(size)) // PATCH
    return np.stack([rows, columns, rows * 0], axis=2).astype(np.uint8)


def read_places(tiles: np.ndarray) -> np.ndarray:
    """A network that gives each patch its place in the image."""
    return tiles[:, ::PATCH, ::PATCH].astype(np.float32)


MORE = st.integers(-3, 14)


@settings(max_examples=40, deadline=None)
@given(tile=st.integers(1, 6), more=st.tuples(MORE, MORE), overlap=st.integers(0, 5))
def test_patches_keep_their_places_and_come_from_the_deepest(
    tile: int, more: tuple[int, int], overlap: int
) -> None:
    assume(overlap < tile)
    shape = tuple(max(1, tile + one) * STRIDE for one in more)
    tiles = Tiles(shape, tile * STRIDE, overlap * STRIDE, STRIDE)
    found = tiles.features(read_places, places(shape), batch_size=3)
    grid = tuple(side // PATCH for side in shape)
    assert found.shape == (*grid, 3)
    np.testing.assert_array_equal(np.moveaxis(found[..., :2], 2, 0), np.indices(grid))

    for length, cells, starts in zip(shape, grid, tiles.starts, strict=True):
        n = min(tiles.tile_size, length) // PATCH

        def depth(cell: int, start: int, n: int = n, cells: int = cells) -> float:
            """Patches between a cell and the nearest border of a tile that is not the image's."""
            before = cell - start if start else np.inf
            behind = start + n - 1 - cell if start + n < cells else np.inf
            return min(before, behind)

        firsts = [start // PATCH for start in starts]
        deepest = [
            max(depth(cell, start) for start in firsts if start <= cell < start + n)
            for cell in range(cells)
        ]
        kept = tiles._kept(length, PATCH)
        for start in starts:
            for cell in range(cells)[kept[start]]:
                assert depth(cell, start // PATCH) == deepest[cell]


def test_the_network_gets_a_few_tiles_at_once() -> None:
    shapes = []

    def network(tiles: np.ndarray) -> np.ndarray:
        shapes.append(tiles.shape)
        return read_places(tiles)

    found = Tiles(64, 32, 8, STRIDE).features(network, places(64), batch_size=4)
    assert found.shape == (16, 16, 3)
    # Starts at 0, 24 and 32 along both axes.
    assert shapes == [(4, 32, 32, 3), (4, 32, 32, 3), (1, 32, 32, 3)]


def test_large_images_are_opened_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FeatureSettings(image_size=64, tile_size=32, batch_size=16).images_at_once == 1
    assert FeatureSettings(image_size=64, tile_size=64, batch_size=16).images_at_once == 16
    images = [(str(seed), draw_part(seed)[0]) for seed in range(7)]
    for n, expected in ((1, [1] * 7), (3, [3, 3, 1]), (5, [4, 3])):  # four fill the memory
        monkeypatch.setattr("reb_pipeline.features.batches.BATCH_BYTES", 4 * 64 * 64 * 3)
        found = list(batches(iter(images), n))
        assert [len(batch) for batch in found] == expected
        assert [image_id for batch in found for image_id, _ in batch] == [
            name for name, _ in images
        ]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            (100, 64, 8),
            "image_size = 100 is no multiple .* stride of 8 pixels.*: set it to 96 or 104",
        ),
        ((128, 60, 8), "tile_size = 60 .* 56 or 64"),
        ((128, 64, 12), "tile_overlap = 12 .* 8 or 16"),
        (
            (128, 64, 64),
            r"tile_overlap = 64 leaves nothing of features.tile_size = 64: .* at most 56",
        ),
    ],
)
def test_sizes_that_do_not_line_up(sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tiles(*sizes, STRIDE)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None).state_dict()


def extractor(state: dict[str, torch.Tensor], **settings) -> PatchExtractor:
    backbone = BackboneWeights(state, {"backbone": "resnet18", "weights": "imagenet"})
    return PatchExtractor(FeatureSettings(backbone="resnet18", **settings), backbone, "cpu")


def test_stitched_patches_are_those_of_the_whole_image(state: dict[str, torch.Tensor]) -> None:
    images = [draw_part(seed)[0] for seed in range(2)]
    # layer1 and the neck see 27 + 4 pixels to either side of a patch.
    local = {"layers": ["layer1"], "image_size": 224}
    whole = extractor(state, **local)(images)
    tiled = extractor(state, **local, tile_size=128, tile_overlap=64)(images)
    assert tiled.shape == whole.shape == (2, 56, 56, 64)
    assert np.abs(tiled - whole).max() <= 1e-5 * np.abs(whole).max()
    narrow = extractor(state, **local, tile_size=128, tile_overlap=0)(images)
    assert np.abs(narrow - whole).max() > 1e-2 * np.abs(whole).max()


def test_deep_layers_line_up(state: dict[str, torch.Tensor]) -> None:
    """Receptive fields reach over the overlap, but the middle of a tile hardly notices."""
    image = [draw_part(0)[0]]
    whole = extractor(state, image_size=256)(image)
    tiled = extractor(state, image_size=256, tile_size=160, tile_overlap=64)(image)
    assert tiled.shape == whole.shape == (1, 32, 32, 384)
    difference = np.abs(tiled - whole).mean(axis=(0, 3)) / np.abs(whole).mean()
    assert difference[:4, :4].max() < 1e-2
    assert difference.mean() < 5e-2


@pytest.mark.parametrize("tile_size", [None, 64, 96])
def test_small_images_are_seen_whole(state: dict[str, torch.Tensor], tile_size: int | None) -> None:
    image = [draw_part(0)[0]]
    settings = {"layers": ["layer1"], "image_size": 64}
    whole = extractor(state, **settings)(image)
    found = extractor(state, **settings, tile_size=tile_size)(image)
    np.testing.assert_array_equal(found, whole)


def test_strides(state: dict[str, torch.Tensor]) -> None:
    for layers, stride in ((["layer1"], 4), (["layer2", "layer3"], 16), (["layer4", "layer2"], 32)):
        backbone = load_backbone("resnet18", image_size=100, layers=layers, weights=state)
        assert coarsest_stride(backbone, 100) == stride


def test_transformers_are_built_for_tiles(caplog: pytest.LogCaptureFixture) -> None:
    import timm

    name = "timm/vit_tiny_patch16_224"
    weights = timm.create_model(name.removeprefix("timm/")).state_dict()
    backbone = BackboneWeights(weights, {"backbone": name, "weights": "imagenet"})
    settings = FeatureSettings(
        backbone=name, layers=[1], image_size=96, tile_size=64, tile_overlap=32
    )
    tiled = PatchExtractor(settings, backbone, "cpu")
    image = draw_part(0)[0]
    assert tiled([image]).shape == (1, 6, 6, 192)
    with pytest.raises(InputError, match=r"image_size = 100 .* stride of 16 pixels.* 96 or 112"):
        PatchExtractor(settings.model_copy(update={"image_size": 100}), backbone, "cpu")
    assert "not seen" not in caplog.text
    whole = FeatureSettings(backbone=name, layers=[1], image_size=[100, 96])
    assert PatchExtractor(whole, backbone, "cpu")([image]).shape == (1, 6, 6, 192)
    assert (
        "left over at the border is not seen: set features.image_size to multiples, such as 96 x 96"
        in caplog.text
    )


def test_product_of_starts_covers_the_image() -> None:
    tiles = Tiles(80, 32, 8, STRIDE)
    covered = np.zeros((80, 80), bool)
    for top, left in product(*tiles.starts):
        covered[top : top + 32, left : left + 32] = True
    assert covered.all()
    assert tiles.starts == ([0, 24, 48], [0, 24, 48])
