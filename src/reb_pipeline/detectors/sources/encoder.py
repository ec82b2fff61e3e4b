"""Encoder: a backbone with all features that it can give."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings

if TYPE_CHECKING:
    from reb_pipeline.features.extractor import PatchExtractor, PooledExtractor
    from reb_pipeline.features.levels import LevelExtractor

Layers = Sequence[str | int] | None
KEPT = 4  # converted networks that a process keeps, because a conversion takes seconds
_kept: "OrderedDict[tuple[str, ...], PatchExtractor]" = OrderedDict()
os.register_at_fork(after_in_child=_kept.clear)  # threads of an engine do not survive a fork


@dataclass(frozen=True)
class Encoder:
    """Backbone with its weights, which gives patch features, pooled features or levels.

    Attributes:
        settings: Settings of the extraction.
        backbone: The weights.
        device: See :func:`reb_pipeline.core.device.torch_device`.

    Example:
        >>> weights = BackboneWeights({}, {"backbone": "resnet18", "weights": "imagenet"})  # without tensors
        >>> encoder = Encoder(FeatureSettings(backbone="resnet18"), weights)
        >>> encoder.tapping(["layer1", "layer2"]).layers
        ['layer1', 'layer2']
        >>> encoder.provenance["image_size"]
        256
    """

    settings: FeatureSettings
    backbone: BackboneWeights
    device: str = "auto"

    @classmethod
    def initial(cls, settings: FeatureSettings, device: str = "auto") -> "Encoder":
        """Load the weights named in the settings, down to the deepest layer that they cover.

        Raises:
            InputError: If backbone or weights cannot be used.
        """
        from reb_pipeline.features.backbones import load_deepest

        network = load_deepest(
            settings.backbone, image_size=settings.network_size, weights=settings.weights
        ).network
        config = {"backbone": settings.backbone, "weights": settings.weights, "finetuned": False}
        return cls(settings, BackboneWeights(network.state_dict(), config), device)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Everything that determines the features, as JSON values."""
        return self.tapping(None).provenance(self.backbone)

    @property
    def layers(self) -> list[str | int]:
        """Tapped layers, finest first."""
        from reb_pipeline.features.backbones import backbone_spec

        return list(self.settings.layers or backbone_spec(self.settings.backbone).layers)

    def tapping(self, layers: Layers) -> FeatureSettings:
        """Return the settings with other layers and the engine in use; None leaves the layers unchanged."""
        settings = self._with_layers(layers)
        if settings.engine == "auto":
            extractor = self.patches(layers)
            settings = settings.model_copy(update={"engine": extractor.engine})
            self._keep(settings, extractor)  # so that it is found by the engine's name too
        return settings

    def patches(self, layers: Layers = None) -> "PatchExtractor":
        """Build the extractor of patch features; one with a converted network is kept for later encoders."""
        from reb_pipeline.features.extractor import PatchExtractor

        settings = self._with_layers(layers)
        if settings.engine == "torch":
            return PatchExtractor(settings, self.backbone, self.device)
        self.backbone.check_origin(settings.backbone, settings.weights)
        kept = _kept.get(self._key(settings))
        return kept or self._keep(settings, PatchExtractor(settings, self.backbone, self.device))

    def pooled(self, _: Layers = None) -> "PooledExtractor":
        """Build the extractor of one feature per image, from the deepest layer."""
        from reb_pipeline.features.extractor import PooledExtractor

        return PooledExtractor(self.settings.backbone, **self._whole_image())

    def levels(self, layers: Layers = None) -> "LevelExtractor":
        """Build the extractor of layers without a neck; None for the backbone's default levels."""
        from reb_pipeline.features.levels import LevelExtractor

        return LevelExtractor(self.settings.backbone, layers=layers, **self._whole_image())

    def _with_layers(self, layers: Layers) -> FeatureSettings:
        changed = {"layers": list(layers)} if layers else {}
        return self.settings.model_copy(update=changed)

    def _key(self, settings: FeatureSettings) -> tuple[str, ...]:
        return settings.model_dump_json(), self.backbone.fingerprint, self.device

    def _keep(self, settings: FeatureSettings, extractor: "PatchExtractor") -> "PatchExtractor":
        _kept[self._key(settings)] = extractor
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return extractor

    def _whole_image(self) -> dict[str, Any]:
        """Collect the arguments of an extractor that knows no tiles.

        Raises:
            InputError: If tiles or a region of interest are asked for.
        """
        if self.settings.region is not None:
            msg = (
                "features.region cannot be used here: levels and pooled features are made of the whole image. Set "
                "features.region to null, or take a detector with a memory bank."
            )
            raise InputError(msg)
        if self.settings.network_size != self.settings.image_size:
            msg = (
                f"features.tile_size = {self.settings.tile_size} cannot be used here: levels and pooled features are "
                f"made of the whole image. Set features.tile_size to null, or take a detector with a memory bank."
            )
            raise InputError(msg)
        return {
            "image_size": self.settings.image_size,
            "weights": self.backbone.state,
            "device": self.device,
            "light": self.settings.light,
            "shading": self.settings.shading,
        }
