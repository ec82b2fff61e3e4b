"""Images of a study, and the network that makes features of them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.parameters.sections import FeatureParams

if TYPE_CHECKING:
    from reb_pipeline.features.extractor import PatchExtractor, PooledExtractor
    from reb_pipeline.features.levels import LevelExtractor

Layers = Sequence[str | int] | None


@dataclass(frozen=True)
class Picture:
    """One image and what tells its content from that of others.

    Attributes:
        id: Its id.
        digest: Hash of its content.
        open: Opens it, uint8 [height, width, 3].
    """

    id: str
    digest: str
    open: Callable[[], np.ndarray]


def picture_of(image_id: str, image: np.ndarray) -> Picture:
    """A picture that is in memory."""
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).hexdigest()
    return Picture(image_id, digest, lambda: image)


@dataclass(frozen=True)
class Encoder:
    """A backbone and everything that can be asked of it.

    Attributes:
        params: Settings of the extractor.
        backbone: Its weights.
        device: See :func:`reb_pipeline.core.device.torch_device`.
    """

    params: FeatureParams
    backbone: BackboneWeights
    device: str

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What decides the features, as JSON values."""
        return self.params.provenance(self.backbone)

    @property
    def layers(self) -> list[str | int]:
        """The layers tapped, finest first."""
        from reb_pipeline.features.backbones import backbone_spec

        return list(self.params.layers or backbone_spec(self.params.backbone).layers)

    def tapping(self, layers: Layers) -> FeatureParams:
        """The settings with other layers; those of the parameters without any."""
        return self.params.model_copy(update={"layers": list(layers)}) if layers else self.params

    def patches(self, layers: Layers = None) -> "PatchExtractor":
        """The network that makes patch features."""
        from reb_pipeline.features.extractor import PatchExtractor

        settings = self.tapping(layers).extractor_settings(self.backbone)
        return PatchExtractor(**settings, device=self.device)

    def pooled(self, _: Layers = None) -> "PooledExtractor":
        """The network that makes one feature an image, of its deepest layer."""
        from reb_pipeline.features.extractor import PooledExtractor

        return PooledExtractor(self.params.backbone, **self._whole_image())

    def levels(self, layers: Layers = None) -> "LevelExtractor":
        """The network that gives layers as they are; the backbone's usual three without any."""
        from reb_pipeline.features.levels import LevelExtractor

        return LevelExtractor(self.params.backbone, layers=layers, **self._whole_image())

    def _whole_image(self) -> dict[str, Any]:
        return {
            "image_size": self.params.image_size,
            "weights": self.backbone.state,
            "device": self.device,
        }
