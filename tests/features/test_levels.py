"""LevelExtractor: feature maps of several layers as the network gives them."""

import numpy as np
import pytest
import torch
import torchvision

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.backbones import load_backbone
from reb_pipeline.features.levels import LevelExtractor, extract_levels
from reb_pipeline.images.resize import resize_image

NAME, SIZE = "efficientnet_lite0", 64


@pytest.fixture(scope="module")
def extractor():
    return LevelExtractor(NAME, image_size=SIZE)


@pytest.fixture(scope="module")
def images():
    return [(f"part {seed}", draw_part(seed)[0]) for seed in range(5)]


def test_levels_are_the_maps_of_the_backbone(extractor, images):
    backbone = load_backbone(NAME, image_size=SIZE, layers=[1, 2, 3])
    pixels = np.stack([resize_image(image, SIZE) for _, image in images]) / 255
    batch = torch.from_numpy((pixels - backbone.mean) / backbone.std).float()
    with torch.inference_mode():
        expected = [m.permute(0, 2, 3, 1).numpy() for m in backbone(batch.permute(0, 3, 1, 2))]
    found = extractor([image for _, image in images])
    assert extractor.shapes == [(16, 16, 24), (8, 8, 40), (4, 4, 112)]
    for level, wanted in zip(found, expected, strict=True):
        assert level.dtype == np.float32
        np.testing.assert_allclose(level, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [2, 16])
def test_streaming_changes_nothing(extractor, images, batch_size):
    at_once = extractor([image for _, image in images])
    streamed = list(extract_levels(extractor, images, batch_size))
    assert [image_id for image_id, _ in streamed] == [image_id for image_id, _ in images]
    for index, level in enumerate(at_once):
        one_by_one = np.stack([levels[index] for _, levels in streamed])
        np.testing.assert_allclose(one_by_one, level, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "left_out", "shapes"),
    [
        ("resnet18", ("layer4", "fc"), [(16, 16, 64), (8, 8, 128), (4, 4, 256)]),
        ("vgg11_bn", ("classifier", "features.22"), [(16, 16, 128), (8, 8, 256), (4, 4, 512)]),
        ("timm/resnet18", ("fc",), [(8, 8, 128), (4, 4, 256), (2, 2, 512)]),
    ],
)
def test_every_backbone_has_three_usual_levels(name, left_out, shapes):
    torch.manual_seed(0)
    network = torchvision.models.get_model(name.removeprefix("timm/"), weights=None)
    state = {k: t for k, t in network.state_dict().items() if not k.startswith(left_out)}
    found = LevelExtractor(name, image_size=SIZE, weights=state)
    assert found.shapes == shapes
    assert [level.shape[1:] for level in found([draw_part(0)[0]])] == shapes


def test_layers_must_be_named_finest_first():
    with pytest.raises(InputError, match=r"layers \[3, 1\], 4 x 4, 16 x 16, become finer: name"):
        LevelExtractor(NAME, image_size=SIZE, layers=[3, 1])
    assert LevelExtractor(NAME, image_size=SIZE, layers=[2]).shapes == [(8, 8, 40)]


def test_weights_that_are_no_numbers_are_refused():
    state = dict(load_backbone(NAME, image_size=SIZE).network.state_dict())
    name = next(name for name in state if name.startswith("blocks.3"))
    state[name] = torch.full_like(state[name], float("nan"))
    with pytest.raises(InputError, match=r"values in 'blocks.3.* that are not finite numbers"):
        LevelExtractor(NAME, image_size=SIZE, weights=state)


def test_features_that_are_no_numbers_are_refused(images):
    class Broken:
        def __call__(self, pixels):
            return [np.full((len(pixels), 2, 2, 3), np.nan, np.float32)]

    with pytest.raises(InputError, match="'part 0' gives non-finite features"):
        list(extract_levels(Broken(), images))
