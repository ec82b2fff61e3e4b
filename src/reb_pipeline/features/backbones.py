"""Pre-trained backbones: networks, tapped layers and weights.

Sources are torchvision's ``create_feature_extractor`` and timm's ``forward_intermediates``. Both run the network only
down to the deepest tapped layer.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of, size_text
from reb_pipeline.features.weights import (
    ADAPTED,
    HUB_FILES,
    IMAGENET,
    State,
    UncoveredError,
    load_covering,
    packaged_file,
    packaged_lite0,
    read_default,
    read_local,
)

logger = logging.getLogger(__name__)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TIMM_PREFIX = "timm/"


@dataclass(frozen=True)
class BackboneSpec:
    """Description of a backbone, available before it is built.

    Attributes:
        library: ``"torchvision"`` or ``"timm"``.
        model: Name in that library.
        layers: Layers tapped by default: module names (torchvision) or stage numbers (timm).
        width: Feature width of the reference neck (512 or 1024 in the reference code).
        deepest: Layers that a classification head can follow, the deepest first.
        levels: Layers for feature reconstruction, finest first; of strides 4, 8 and 16 for the convolutional backbones
            in :data:`BACKBONES`.
        unit_length: True to compare features by their direction: each tapped feature map is scaled to length 1 at
            every position. In a transformer a few channels with large values decide the length.
        revision: Commit of the weights' repository on the Hugging Face Hub; None for the newest one.
    """

    library: str
    model: str
    layers: tuple[str, ...] | tuple[int, ...]
    width: int
    deepest: tuple[str, ...] | tuple[int, ...]
    levels: tuple[str, ...] | tuple[int, ...]
    unit_length: bool = False
    revision: str | None = None


_RESNET_STAGES = ("layer4", "layer3", "layer2", "layer1")
_VGG_STAGES = ("features.28", "features.21", "features.14", "features.7")  # max pools
_TIMM_STAGES = (-1, -2, -3, -4)
_TRANSFORMERS = (
    "vit_",
    "deit",
    "beit",
    "eva",
    "flexivit",
)  # plain ones, by the names of timm's models
_RESNET_LEVELS, _VGG_LEVELS = _RESNET_STAGES[:0:-1], _VGG_STAGES[:0:-1]


def _resnet(model: str, width: int) -> BackboneSpec:
    taps = ("layer2", "layer3")
    return BackboneSpec("torchvision", model, taps, width, _RESNET_STAGES, _RESNET_LEVELS)


# The taps of the ResNets and VGG11-BN are the reference implementation's (ADModels/get_extract_layer).
BACKBONES: dict[str, BackboneSpec] = {
    "resnet18": _resnet("resnet18", 512),
    "wide_resnet50_2": _resnet("wide_resnet50_2", 1024),
    "wide_resnet101_2": _resnet("wide_resnet101_2", 1024),
    "vgg11_bn": BackboneSpec(
        "torchvision", "vgg11_bn", ("features.15", "features.22"), 512, _VGG_STAGES, _VGG_LEVELS
    ),
    "efficientnet_lite0": BackboneSpec(
        "timm", "tf_efficientnet_lite0", (2, 3), 256, _TIMM_STAGES, (1, 2, 3)
    ),
    "dinov2_vits14": BackboneSpec(
        "timm",
        "vit_small_patch14_dinov2.lvd142m",
        (5, 8),
        384,
        _TIMM_STAGES,
        (2, 5, 8),
        unit_length=True,
    ),
}


class Backbone(nn.Module):
    """A frozen network in eval mode that returns the feature maps of the tapped layers.

    Attributes:
        mean: Channel means to normalise its input with, for RGB in [0, 1].
        std: Channel standard deviations to normalise its input with, for RGB in [0, 1].
    """

    def __init__(
        self,
        network: nn.Module,
        forward: Callable[[torch.Tensor], Sequence[torch.Tensor]],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.network = network
        self._forward = forward
        self.mean, self.std = tuple(mean), tuple(std)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Run the network down to the deepest tapped layer.

        Args:
            images: Normalised images, float32 [batch, 3, height, width].

        Returns:
            One float32 [batch, channels, h, w] per tapped layer, in the order of the layers.
        """
        return list(self._forward(images))


def backbone_spec(name: str) -> BackboneSpec:
    """Find the description of a backbone.

    Args:
        name: A key of :data:`BACKBONES`, or ``timm/<model>`` for any timm model; ``timm/<model>@<revision>`` downloads
            the weights of one commit.

    Raises:
        InputError: If the name is unknown.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith(TIMM_PREFIX):
        model, _, revision = name.removeprefix(TIMM_PREFIX).partition("@")
        return BackboneSpec(
            "timm",
            model,
            (-2, -1),
            512,
            _TIMM_STAGES,
            (-3, -2, -1),
            unit_length=model.startswith(_TRANSFORMERS),
            revision=revision or None,
        )
    known = ", ".join([*BACKBONES, f"{TIMM_PREFIX}<any timm model>"])
    msg = f"Backbone {name!r} is unknown: set features.backbone to one of {known}."
    raise InputError(msg)


def compares_directions(name: str, unit_length: bool | None) -> bool:
    """Tell whether tapped feature maps are scaled to length 1: as given, or as the backbone needs it if None."""
    return backbone_spec(name).unit_length if unit_length is None else unit_length


def load_backbone(
    name: str,
    *,
    image_size: Size,
    layers: Sequence[str | int] | None = None,
    weights: str | Mapping[str, torch.Tensor] = "imagenet",
) -> Backbone:
    """Build a backbone with its weights.

    Args:
        name: See :func:`backbone_spec`.
        image_size: Side, or height and width, of the input in pixels; transformers are built for one size.
        layers: Layers to tap; None for the backbone's default layers.
        weights: ``"imagenet"`` (from an installed package or the library's download cache), the path of a local
            ``.pth`` or ``.safetensors`` state dict, or a state dict. A partial state dict is accepted if it covers the
            network down to the deepest tapped layer.

    Returns:
        The frozen backbone, in eval mode on the CPU.

    Raises:
        InputError: If the name, a layer or the weights cannot be used.
    """
    spec = backbone_spec(name)
    taps = list(layers or spec.layers)
    build = _torchvision_backbone if spec.library == "torchvision" else _timm_backbone
    backbone, download, remedy = build(spec, taps, image_size)
    if not isinstance(weights, str):
        load_covering(backbone.network, dict(weights), name, ADAPTED)
    elif weights == IMAGENET:
        load_covering(backbone.network, read_default(name, download, remedy), name, weights)
    else:
        load_covering(backbone.network, read_local(name, weights), name, weights)
    return backbone


def load_deepest(
    name: str, *, image_size: Size, weights: str | Mapping[str, torch.Tensor] = "imagenet"
) -> Backbone:
    """Build a backbone that ends at the deepest layer that its weights cover.

    Args:
        name: See :func:`backbone_spec`.
        image_size: Side, or height and width, of the input in pixels.
        weights: As for :func:`load_backbone`; partial weights give a shallower network, and a log message says so.

    Returns:
        The backbone with only its deepest layer tapped, frozen, in eval mode on the CPU.

    Raises:
        InputError: If the name or the weights cannot be used, or cover no layer that a head can follow.
    """
    spec = backbone_spec(name)
    for layer in spec.deepest:
        try:
            backbone = load_backbone(name, image_size=image_size, layers=[layer], weights=weights)
        except UncoveredError as error:
            uncovered = error
            continue
        if layer != spec.deepest[0]:
            logger.info(
                "Weights %s end before %s: the head sits on %s.",
                weights if isinstance(weights, str) else ADAPTED, spec.deepest[0], layer,
            )  # fmt: skip
        return backbone
    raise uncovered


def imagenet_file(name: str) -> Path | None:
    """Find the file that the ImageNet weights of a backbone were read from; None if they are not on this machine.

    The path of a file from the Hugging Face Hub contains the commit that it is of.

    Args:
        name: See :func:`backbone_spec`.
    """
    spec = backbone_spec(name)
    if spec == BACKBONES["efficientnet_lite0"]:
        return packaged_file()
    if spec.library == "torchvision":
        import torchvision

        url = torchvision.models.get_model_weights(spec.model).IMAGENET1K_V1.url
        file = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
        return file if file.is_file() else None
    import timm
    from huggingface_hub import try_to_load_from_cache

    repository = getattr(timm.get_pretrained_cfg(spec.model), "hf_hub_id", None)
    for file_name in HUB_FILES if repository else ():
        found = try_to_load_from_cache(str(repository), file_name, revision=spec.revision)
        if isinstance(found, str):
            return Path(found)
    return None


def _torchvision_backbone(
    spec: BackboneSpec, taps: list[Any], image_size: Size
) -> tuple[Backbone, Callable[[], State], str]:
    import torchvision  # seconds to import
    from torchvision.models.feature_extraction import create_feature_extractor

    network = torchvision.models.get_model(spec.model, weights=None)
    try:
        network = create_feature_extractor(network, {str(tap): str(tap) for tap in taps})
    except ValueError:
        known = ", ".join(child for child, _ in network.named_children())
        msg = f"Backbone {spec.model!r} has no layer among {taps}: features.layers takes modules of {known}."
        raise InputError(msg) from None
    # The paper, the reference code and all published tables of the field use V1.
    imagenet = torchvision.models.get_model_weights(spec.model).IMAGENET1K_V1

    def download() -> State:
        return dict(imagenet.get_state_dict(progress=True, check_hash=True))

    def forward(images: torch.Tensor) -> Sequence[torch.Tensor]:
        maps = network(images)
        return [maps[str(tap)] for tap in taps]

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    remedy = f"put {imagenet.url} into {folder}, or set features.weights to its path"
    return Backbone(network, forward, IMAGENET_MEAN, IMAGENET_STD), download, remedy


def _timm_backbone(
    spec: BackboneSpec, taps: list[Any], image_size: Size
) -> tuple[Backbone, Callable[[], State], str]:
    import timm  # seconds to import

    if not timm.is_model(spec.model):
        close = (
            ", ".join(timm.list_models(f"*{spec.model.split('_')[0]}*")[:5]) or "timm.list_models()"
        )
        msg = f"timm has no model {spec.model!r}: see {close}."
        raise InputError(msg)
    network: Any
    try:  # transformers have positions for one size; convolutions take no such argument
        network = timm.create_model(spec.model, img_size=shape_of(image_size))
    except TypeError:
        network = timm.create_model(spec.model)
    _warn_of_a_border(network, image_size)
    if not hasattr(network, "forward_intermediates"):
        msg = f"timm model {spec.model!r} gives no intermediate feature maps: choose another backbone."
        raise InputError(msg)
    try:
        taps = network.prune_intermediate_layers(taps, prune_norm=True, prune_head=True)
    except (AssertionError, IndexError, ValueError, TypeError):
        msg = f"timm model {spec.model!r} has no stages {taps}: set features.layers to its stage numbers."
        raise InputError(msg) from None

    def forward(images: torch.Tensor) -> Sequence[torch.Tensor]:
        maps = network.forward_intermediates(
            images, indices=taps, stop_early=True, output_fmt="NCHW", intermediates_only=True
        )
        return [maps[sorted(taps).index(tap)] for tap in taps]  # timm orders them by depth

    cfg = network.pretrained_cfg
    if spec.revision and not cfg.get("hf_hub_id"):
        msg = f"timm model {spec.model!r} is on no hub and has no revisions: leave out '@{spec.revision}'."
        raise InputError(msg)

    def download() -> State:
        if spec == BACKBONES["efficientnet_lite0"]:
            return packaged_lite0()
        pinned = {"hf_hub_id": f"{cfg['hf_hub_id']}@{spec.revision}"} if spec.revision else None
        model = timm.create_model(spec.model, pretrained=True, pretrained_cfg_overlay=pinned)
        return dict(model.state_dict())

    source = f"https://huggingface.co/{cfg['hf_hub_id']}" if cfg.get("hf_hub_id") else cfg["url"]
    remedy = f"fetch model.safetensors from {source} and set features.weights to its path"
    return Backbone(network, forward, cfg["mean"], cfg["std"]), download, remedy


def _warn_of_a_border(network: Any, image_size: Size) -> None:
    """Say where a transformer, which cuts whole patches from the top left, does not see the last pixels."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if isinstance(patch, tuple):
        pairs = list(zip(shape_of(image_size), patch, strict=True))
        if any(side % step for side, step in pairs):
            logger.warning(
                "Images of %s pixels are cut into patches of %d x %d, and what is left over at the border is not seen: "
                "set features.image_size to multiples, such as %s.",
                size_text(image_size),
                *patch,
                size_text([max(1, round(side / step)) * step for side, step in pairs]),
            )
