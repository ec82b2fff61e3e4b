"""Other engines against PyTorch; networks with random weights, because only agreement counts."""

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
from reb_pipeline.features import engines, onnx_export
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.engines import (
    OnnxRuntimeEngine,
    OpenVinoEngine,
    TorchEngine,
    build_engine,
)
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.memory_bank.extractors import ALIKE_ENGINES

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


def pixels(n: int, width: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 16, width, 3), np.uint8)


class Forgetful(Patches):
    """Another network once it is exported."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels) * (1.01 if torch.compiler.is_exporting() else 1)


class Undecided(Patches):
    """Network that cannot be exported, because its values decide what is computed."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = super().forward(pixels)
        return features if features.sum() > 0 else -features


def random_state(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    if name.startswith("timm/"):
        return timm.create_model(name.removeprefix("timm/")).state_dict()
    return torchvision.models.get_model(name, weights=None).state_dict()


@pytest.mark.parametrize(
    ("engine", "name", "settings"),
    [
        ("openvino", "resnet18", {"layers": ["layer1", "layer2"], "neck": "paper"}),
        ("onnxruntime", "resnet18", {"layers": ["layer1", "layer2"], "neck": "reference"}),
        ("openvino", "timm/vit_tiny_patch16_224", {"layers": [1, 2], "width": 100}),
    ],
)
def test_engines_agree(
    engine: str, name: str, settings: dict, caplog: pytest.LogCaptureFixture
) -> None:
    backbone = BackboneWeights(random_state(name), {"backbone": name, "weights": "imagenet"})
    given = FeatureSettings(backbone=name, image_size=SIDE, **settings)
    expected = PatchExtractor(given, backbone, "cpu")(IMAGES)
    extractor = PatchExtractor(given.model_copy(update={"engine": engine}), backbone)
    with caplog.at_level(logging.INFO):
        found = extractor(IMAGES)
    assert f"Features of {engine} differ from PyTorch's by" in caplog.text
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    alone = np.concatenate([extractor([image]) for image in IMAGES])
    assert np.abs(alone - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", engines.ENGINES)
def test_every_engine_takes_any_batch_of_rectangles(name: str) -> None:
    network = Patches()
    engine = build_engine(name, network, [16, 24], "cpu")
    for n in (1, 2, 7):
        batch = pixels(n, width=24)
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).numpy()
        tolerance = 5e-2 if name == "openvino_bf16" else 1e-5
        assert np.abs(engine(batch) - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_the_same_image_gives_the_same_bits_in_any_batch(name: str) -> None:
    engine = build_engine(name, Patches(), 16, "cpu")
    batch = pixels(5)
    np.testing.assert_array_equal(engine(batch)[3:], engine(batch[3:]))


def test_an_engine_that_differs_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"openvino differ .* by 1\.0e-02 .* 1e-03: set features.e"
    ):
        OpenVinoEngine(Forgetful(), 16, "openvino")(pixels(1))
    with pytest.raises(InputError, match=r"onnxruntime differ .* by 1\.0e-02"):
        OnnxRuntimeEngine(Forgetful(), 16)(pixels(1))
    OpenVinoEngine(Forgetful(), 16, "openvino_bf16")(pixels(1))


def test_a_network_that_cannot_be_converted() -> None:
    with pytest.raises(InputError, match=r"cannot be converted .*: set features.engine to torch"):
        OpenVinoEngine(Undecided(), 16, "openvino")(pixels(1))


def test_openvino_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        InputError, match=r"= openvino_bf16 needs OpenVINO: run `pip install -e '\.\[openvino\]'`"
    ):
        build_engine("openvino_bf16", Patches(), 16, "cpu")


@pytest.fixture
def chosen(caplog: pytest.LogCaptureFixture):
    """Name and log of the engine that auto chooses for a network."""

    def choose(network: nn.Module) -> tuple[str, str]:
        with caplog.at_level(logging.INFO):
            return build_engine("auto", network, 16, "cpu").name, caplog.text

    return choose


def test_auto_takes_the_quickest_engine(chosen) -> None:
    name, log = chosen(Patches())
    assert name == "openvino"
    assert "features.engine = auto computes the network by openvino." in log


def test_auto_takes_the_next_engine_where_one_is_missing(chosen, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert chosen(Patches())[0] == "onnxruntime"
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    name, log = chosen(Patches())
    assert name == "torch"
    assert "features.engine = openvino needs OpenVINO: run" in log
    assert "features.engine = onnxruntime needs onnx, which is not installed" in log


@pytest.mark.parametrize("network", [Forgetful, Undecided])
def test_auto_takes_pytorch_where_no_other_engine_computes_the_same(chosen, network) -> None:
    name, log = chosen(network())
    assert name == "torch"
    assert len([line for line in log.splitlines() if "computes by PyTorch" in line]) == 1


def test_auto_chooses_at_the_first_use(monkeypatch) -> None:
    monkeypatch.setattr(engines, "_build_converted", None)  # cannot be called
    build_engine("auto", Patches(), 16, "cpu")


def test_auto_computes_by_pytorch_on_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(engines, "torch_device", lambda name: torch.device("meta"))
    monkeypatch.setattr(engines, "_build_converted", None)
    assert build_engine("auto", Patches(), 16, "cuda").name == "torch"


def test_single_precision_is_as_good_in_any_engine() -> None:
    tolerances = {"torch": 0.0, **engines.TOLERANCES}
    assert {name for name, one in tolerances.items() if one <= 1e-3} == set(ALIKE_ENGINES)


def test_unknown_engines_and_devices() -> None:
    with pytest.raises(InputError, match=r"features.engine 'opnvino' .*did you mean 'openvino'"):
        build_engine("opnvino", Patches(), 16, "cpu")
    with pytest.raises(InputError, match="'cuda:99'"):
        build_engine("torch", Patches(), 16, "cuda:99")


@pytest.mark.gpu
def test_a_gpu_gives_the_features_of_the_cpu() -> None:
    config = {"backbone": "resnet18", "weights": "imagenet"}
    backbone = BackboneWeights(random_state("resnet18"), config)
    settings = FeatureSettings(backbone="resnet18", image_size=SIDE)
    cpu, gpu = (PatchExtractor(settings, backbone, d)(IMAGES) for d in ("cpu", "cuda"))
    assert np.abs(gpu - cpu).max() <= 1e-4 * np.abs(cpu).max()


def test_torch_features_are_contiguous() -> None:
    assert TorchEngine(Patches(), "cpu")(pixels(2)).flags.c_contiguous
