"""OpenVINO against PyTorch; networks with random weights, because only agreement counts."""

import logging
import sys

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.features import engines
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.engines import OpenVinoEngine, TorchEngine, build_engine
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.settings import FeatureSettings

SIDE = 64
IMAGES = [draw_part(seed)[0] for seed in range(3)]


class Patches(nn.Module):
    """The smallest network from pixels to patches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 4, stride=4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.conv(pixels.permute(0, 3, 1, 2).float()).permute(0, 2, 3, 1)


def pixels(n: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)


def random_state(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    if name.startswith("timm/"):
        return timm.create_model(name.removeprefix("timm/")).state_dict()
    return torchvision.models.get_model(name, weights=None).state_dict()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet18", {"layers": ["layer1", "layer2"], "neck": "paper"}),
        ("timm/vit_tiny_patch16_224", {"layers": [1, 2], "neck": "reference", "width": 100}),
    ],
)
def test_engines_agree(name: str, settings: dict, caplog: pytest.LogCaptureFixture) -> None:
    backbone = BackboneWeights(random_state(name), {"backbone": name, "weights": "imagenet"})
    given = FeatureSettings(backbone=name, image_size=SIDE, **settings)
    expected = PatchExtractor(given, backbone, "cpu")(IMAGES)
    extractor = PatchExtractor(given.model_copy(update={"engine": "openvino"}), backbone)
    with caplog.at_level(logging.INFO):
        found = extractor(IMAGES)
    assert "Features of openvino differ from PyTorch's by" in caplog.text
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    alone = np.concatenate([extractor([image]) for image in IMAGES])
    assert np.abs(alone - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", engines.ENGINES)
def test_every_engine_takes_any_batch(name: str) -> None:
    network = Patches()
    engine = build_engine(name, network, 16, "cpu")
    for n in (1, 2, 7):
        batch = pixels(n)
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).numpy()
        tolerance = 5e-2 if name == "openvino_bf16" else 1e-5
        assert np.abs(engine(batch) - expected).max() <= tolerance * np.abs(expected).max()


def test_the_same_image_gives_the_same_bits_in_any_batch() -> None:
    engine = OpenVinoEngine(Patches(), 16, "openvino")
    batch = pixels(5)
    np.testing.assert_array_equal(engine(batch)[3:], engine(batch[3:]))


def test_an_engine_that_differs_is_refused() -> None:
    class Forgetful(Patches):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return super().forward(pixels) * (1.01 if torch.compiler.is_exporting() else 1)

    with pytest.raises(
        InputError, match=r"openvino differ .* by 1\.0e-02 .* 1e-03: set features.e"
    ):
        OpenVinoEngine(Forgetful(), 16, "openvino")(pixels(1))
    OpenVinoEngine(Forgetful(), 16, "openvino_bf16")(pixels(1))


def test_a_network_that_cannot_be_converted() -> None:
    class Undecided(Patches):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            features = super().forward(pixels)
            return features if features.sum() > 0 else -features

    with pytest.raises(InputError, match=r"cannot be converted .*: set features.engine to torch"):
        OpenVinoEngine(Undecided(), 16, "openvino")(pixels(1))


def test_openvino_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        InputError, match=r"= openvino_bf16 needs OpenVINO: run `pip install -e '\.\[openvino\]'`"
    ):
        build_engine("openvino_bf16", Patches(), 16, "cpu")


def test_unknown_engines_and_devices() -> None:
    with pytest.raises(InputError, match=r"features.engine 'opnvino' .*did you mean 'openvino'"):
        build_engine("opnvino", Patches(), 16, "cpu")
    with pytest.raises(InputError, match="'cuda:99'"):
        build_engine("torch", Patches(), 16, "cuda:99")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_features_of_the_cpu() -> None:
    config = {"backbone": "resnet18", "weights": "imagenet"}
    backbone = BackboneWeights(random_state("resnet18"), config)
    settings = FeatureSettings(backbone="resnet18", image_size=SIDE)
    cpu, gpu = (PatchExtractor(settings, backbone, d)(IMAGES) for d in ("cpu", "cuda"))
    assert np.abs(gpu - cpu).max() <= 1e-4 * np.abs(cpu).max()


def test_torch_features_are_contiguous() -> None:
    assert TorchEngine(Patches(), "cpu")(pixels(2)).flags.c_contiguous
