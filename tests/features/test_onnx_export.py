"""ONNX Runtime against PyTorch; networks with random weights, because only agreement counts."""

import importlib.util
import os

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.features import onnx_export
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.onnx_export import export_onnx
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.inspection.network import ENGINES, load_network

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

SIDE = 64


def extractor(name, **settings):
    torch.manual_seed(0)
    if name == "efficientnet_lite0":
        state = timm.create_model("tf_efficientnet_lite0").state_dict()
    elif name.startswith("timm/"):
        state = timm.create_model(name.removeprefix("timm/"), img_size=SIDE).state_dict()
    else:
        state = torchvision.models.get_model(name, weights=None).state_dict()
    backbone = BackboneWeights(state, {"backbone": name, "weights": "imagenet"})
    settings = {"image_size": SIDE, "neck": "reference", **settings}
    return PatchExtractor(FeatureSettings(backbone=name, **settings), backbone, "cpu")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet18", {"layers": ["layer1", "layer2"], "neck": "paper"}),
        ("efficientnet_lite0", {"neck": "reference", "width": 100}),  # no divisor of the channels
        ("timm/vit_tiny_patch16_224", {"layers": [1, 2], "neck": "paper"}),
    ],
)
def test_a_network_computes_the_same_as_onnx(name, settings):
    trained = extractor(name, **settings)
    model = export_onnx(trained.network, trained.network_size)
    images = [draw_part(seed, "bright_spot")[0] for seed in range(2)]
    expected = trained(images)
    for engine in ENGINES:
        pytest.importorskip(engine)
        compute = load_network(model, engine)
        found = np.concatenate([compute(image[None]) for image in images])
        assert (found.dtype, found.shape) == (np.float32, expected.shape)
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_file_tells_nothing_of_this_machine_and_is_always_the_same():
    trained = extractor("resnet18", layers=["layer1"])
    model = export_onnx(trained.network, SIDE)
    for path in (os.path.dirname(torch.__file__), os.path.dirname(onnx_export.__file__), ".py"):
        assert path.encode() not in model
    assert export_onnx(trained.network, SIDE) == model


def test_tiles_are_what_the_network_is_exported_for():
    trained = extractor("resnet18", layers=["layer1"], tile_size=32, tile_overlap=0)
    assert trained.network_size == 32
    assert trained.tiles.stride == 4
    compute = load_network(export_onnx(trained.network, 32), "onnxruntime")
    pixels = draw_part(0)[0]
    found = trained.tiles.features(compute, pixels)[None]
    np.testing.assert_allclose(found, trained([pixels]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", onnx_export.NEEDED)
def test_a_package_that_is_missing_is_named(name, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        onnx_export, "find_spec", lambda asked: None if asked == name else find(asked)
    )
    with pytest.raises(InputError, match=rf"needs {name}, .*: run `pip install {name}`\."):
        export_onnx(nn.Identity(), SIDE)


def test_a_network_that_cannot_be_exported():
    class Undecided(nn.Module):
        def forward(self, pixels):
            return pixels if pixels.float().sum() > 0 else -pixels

    with pytest.raises(InputError, match=r"cannot be exported to ONNX \(.*choose another"):
        export_onnx(Undecided(), 8)
