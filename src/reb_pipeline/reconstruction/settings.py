"""Settings of networks that reconstruct good images or their features; light to import."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from reb_pipeline.core.settings import Settings, one_of
from reb_pipeline.reconstruction.fusion import FUSIONS

if TYPE_CHECKING:
    from reb_pipeline.features.settings import FeatureSettings


class ReconstructionSettings(Settings):
    """Settings of a training."""

    updates: int = Field(default=400, ge=1)  # optimiser steps
    batch_size: int = Field(default=16, ge=2)  # images an update; batch norm needs two values
    learning_rate: float = Field(
        default=0.004, gt=0
    )  # of Adam at the first update; falls to zero as a cosine
    seed: int = Field(default=0, ge=0)  # of the first weights, the batches and the noise

    def training(self) -> dict[str, Any]:
        """Settings of the training alone, as JSON values."""
        return self.model_dump(include=set(ReconstructionSettings.model_fields))


class FeatureReconstructionSettings(ReconstructionSettings):
    """Settings of the reconstruction of features (arXiv 2405.09148)."""

    layers: list[str | int] | None = None  # finest first; the backbone's usual three without them
    loss: Literal["squared", "cosine"] = "cosine"
    fusion: Annotated[str, one_of(FUSIONS)] = "product"  # of the layers' residual maps

    def encoder(self, features: "FeatureSettings") -> dict[str, Any]:
        """Everything that decides the features to reconstruct: the arguments of ``LevelExtractor``, as JSON values.

        Args:
            features: Backbone, initial weights and size of the images.
        """
        return {
            "backbone": features.backbone,
            "weights": features.weights,
            "image_size": features.image_size,
            "layers": self.layers,
        }


class PixelReconstructionSettings(ReconstructionSettings):
    """Settings of the reconstruction of pixels."""

    loss: Literal["l2", "ssim"] = "ssim"
    image_size: int = Field(default=128, ge=32, multiple_of=8)  # pixels; halved three times
    updates: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.001, gt=0)
