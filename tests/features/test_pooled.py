"""PooledExtractor: the deepest layer that the weights reach, averaged over all positions."""

import numpy as np
import pytest
import torch

from miniatures import draw_part
from reb_pipeline.features.backbones import backbone_spec, load_backbone, load_deepest
from reb_pipeline.features.extractor import PooledExtractor
from reb_pipeline.images.resize import resize_image

NAME, SIZE = "efficientnet_lite0", 64


@pytest.fixture(scope="module")
def deepest():
    return load_deepest(NAME, image_size=SIZE)


@pytest.fixture(scope="module")
def extractor(deepest):
    return PooledExtractor(NAME, image_size=SIZE, weights=deepest.network.state_dict())


def positions_of(backbone, image):
    """Features of the deepest layer for one image, [channels, h, w]."""
    batch = (resize_image(image, SIZE) / 255 - backbone.mean) / backbone.std
    with torch.inference_mode():
        (found,) = backbone(torch.from_numpy(batch).float().permute(2, 0, 1)[None])
    return found[0].numpy()


def test_one_feature_an_image_is_the_mean_over_positions(deepest, extractor):
    images = [draw_part(0)[0], np.random.default_rng(0).integers(0, 256, (90, 50, 3), np.uint8)]
    found = extractor(images)
    assert found.dtype == np.float32
    assert found.shape == (2, 320)
    for image, feature in zip(images, found, strict=True):
        positions = positions_of(deepest, image)
        assert positions.shape[1:] == (2, 2)  # stride 32
        np.testing.assert_allclose(feature, positions.mean(axis=(1, 2)), rtol=1e-3, atol=1e-4)


def test_it_looks_deeper_than_the_usual_layers(deepest):
    usual = load_backbone(NAME, image_size=SIZE, layers=backbone_spec(NAME).layers)
    assert set(usual.network.state_dict()) < set(deepest.network.state_dict())


def test_other_weights_give_another_feature(deepest, extractor):
    image = draw_part(0)[0]
    state = {name: value * 1.5 if value.is_floating_point() else value
             for name, value in deepest.network.state_dict().items()}  # fmt: skip
    other = PooledExtractor(NAME, image_size=SIZE, weights=state)
    assert np.abs(other([image]) - extractor([image])).max() > 0.01
