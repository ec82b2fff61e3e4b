"""PatchExtractor with the small backbone of the demo package, and streaming through any extractor."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.backbones import load_backbone
from reb_pipeline.features.extractor import PatchExtractor, extract_patches
from reb_pipeline.features.neck import paper_neck
from reb_pipeline.features.settings import FeatureSettings

SIZE = 64


@pytest.fixture(scope="module")
def extractor() -> PatchExtractor:
    return PatchExtractor(FeatureSettings(image_size=SIZE))


@pytest.fixture
def images() -> list[tuple[str, np.ndarray]]:
    return [(f"part {seed}", draw_part(seed)[0]) for seed in range(5)]


def test_features_are_those_of_backbone_and_neck(extractor: PatchExtractor) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    resized = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    backbone = load_backbone("efficientnet_lite0", image_size=SIZE)
    batch = torch.from_numpy((resized / 255 - backbone.mean) / backbone.std).float()
    with torch.inference_mode():
        expected = paper_neck(backbone(batch.permute(2, 0, 1)[None]), 1)[0].permute(1, 2, 0)
    (found,) = extractor([image])
    assert found.dtype == np.float32
    assert found.shape == (SIZE // 8, SIZE // 8, 40 + 112)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_neck_and_width_are_chosen() -> None:
    image = draw_part(0)[0]
    for width, channels in ((None, 256), (30, 30)):
        settings = FeatureSettings(image_size=SIZE, neck="reference", width=width)
        extractor = PatchExtractor(settings)
        assert extractor([image]).shape == (1, 8, 8, channels)
    with pytest.raises(ValidationError, match="Input should be 'combined', 'reference' or 'paper'"):
        FeatureSettings(neck="giraffe")


@pytest.mark.parametrize("batch_size", [2, 5, 16])
def test_streaming_changes_nothing(
    extractor: PatchExtractor, images: list[tuple[str, np.ndarray]], batch_size: int
) -> None:
    at_once = extractor([image for _, image in images])
    streamed = list(extract_patches(extractor, images, batch_size))
    assert [image_id for image_id, _ in streamed] == [image_id for image_id, _ in images]
    np.testing.assert_allclose(np.stack([f for _, f in streamed]), at_once, atol=1e-4, rtol=1e-4)


def test_the_same_images_give_the_same_bits(
    extractor: PatchExtractor, images: list[tuple[str, np.ndarray]]
) -> None:
    again = PatchExtractor(FeatureSettings(image_size=SIZE))
    batch = [image for _, image in images]
    first = extractor(batch)
    for other in (extractor, again):
        np.testing.assert_array_equal(other(batch), first)


@pytest.mark.parametrize("shape", [(1, 1), (300, 20), (64, 64), (37, 201)])
def test_images_of_any_size(extractor: PatchExtractor, shape: tuple[int, int]) -> None:
    grey = np.full((*shape, 3), 128, np.uint8)
    features = extractor([grey, np.full((SIZE, SIZE, 3), 128, np.uint8)])
    np.testing.assert_allclose(features[0], features[1], atol=1e-4)


def test_images_are_opened_batch_by_batch(extractor: PatchExtractor) -> None:
    opened = []

    def images() -> Iterator[tuple[str, np.ndarray]]:
        for seed in range(6):
            opened.append(seed)
            yield str(seed), draw_part(seed)[0]

    streamed = extract_patches(extractor, images(), batch_size=2)
    assert opened == []
    next(streamed)
    assert opened == [0, 1]


def test_features_that_are_not_finite(images: list[tuple[str, np.ndarray]]) -> None:
    def broken(batch: list[np.ndarray]) -> np.ndarray:
        grids = np.ones((len(batch), 2, 2, 3), np.float32)
        grids[-1, 1, 0, 2] = np.nan
        return grids

    with pytest.raises(InputError, match="Image 'part 1' gives non-finite features: check"):
        list(extract_patches(broken, images, batch_size=2))  # type: ignore[arg-type]
