"""A backbone and everything that can be asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings

if TYPE_CHECKING:
    from reb_pipeline.features.extractor import PatchExtractor, PooledExtractor
    from reb_pipeline.features.levels import LevelExtractor

Layers = Sequence[str | int] | None


@dataclass(frozen=True)
class Encoder:
    """A backbone with its weights, as patch features, pooled features or levels.

    Attributes:
        settings: Settings of the extraction.
        backbone: The weights.
        device: See :func:`reb_pipeline.core.device.torch_device`.
    """

    settings: FeatureSettings
    backbone: BackboneWeights
    device: str = "auto"

    @classmethod
    def initial(cls, settings: FeatureSettings, device: str = "auto") -> "Encoder":
        """Open the weights that the settings name, as deep as they reach.

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
        """Everything that decides the features, as JSON values."""
        return self.settings.provenance(self.backbone)

    @property
    def layers(self) -> list[str | int]:
        """The layers tapped, finest first."""
        from reb_pipeline.features.backbones import backbone_spec

        return list(self.settings.layers or backbone_spec(self.settings.backbone).layers)

    def tapping(self, layers: Layers) -> FeatureSettings:
        """The settings with other layers; unchanged without any."""
        changed = {"layers": list(layers)} if layers else {}
        return self.settings.model_copy(update=changed)

    def patches(self, layers: Layers = None) -> "PatchExtractor":
        """Open the network that makes patch features."""
        from reb_pipeline.features.extractor import PatchExtractor

        return PatchExtractor(self.tapping(layers), self.backbone, self.device)

    def pooled(self, _: Layers = None) -> "PooledExtractor":
        """Open the network that makes one feature an image, of its deepest layer."""
        from reb_pipeline.features.extractor import PooledExtractor

        return PooledExtractor(self.settings.backbone, **self._whole_image())

    def levels(self, layers: Layers = None) -> "LevelExtractor":
        """Open the network that gives layers as they are; the backbone's usual three without any."""
        from reb_pipeline.features.levels import LevelExtractor

        return LevelExtractor(self.settings.backbone, layers=layers, **self._whole_image())

    def _whole_image(self) -> dict[str, Any]:
        return {
            "image_size": self.settings.image_size,
            "weights": self.backbone.state,
            "device": self.device,
        }
