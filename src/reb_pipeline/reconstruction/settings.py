"""Settings of networks that reconstruct good images or their features; imports no heavy package."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from reb_pipeline.core.settings import Seed, Settings, one_of
from reb_pipeline.reconstruction.fusion import FUSIONS

if TYPE_CHECKING:
    from reb_pipeline.features.settings import FeatureSettings


class ReconstructionSettings(Settings):
    """Settings of the training of a reconstruction."""

    updates: int = Field(default=400, ge=1, le=1_000_000)  # optimiser steps
    batch_size: int = Field(
        default=16, ge=2, le=4096
    )  # images per update; batch norm needs at least 2
    # Learning rate of Adam at the first update; decays to 0 as a cosine.
    learning_rate: float = Field(default=0.004, gt=0, le=100)
    seed: Seed = 0  # seed of the initial weights, the batches and the noise

    def training(self) -> dict[str, Any]:
        """List the settings of the training, as JSON values."""
        return self.model_dump(include=set(ReconstructionSettings.model_fields))


class FeatureReconstructionSettings(ReconstructionSettings):
    """Settings of the reconstruction of features (arXiv 2405.09148)."""

    layers: list[str | int] | None = None  # finest first; None for the backbone's usual three
    loss: Literal["squared", "cosine"] = "cosine"
    fusion: Annotated[str, one_of(FUSIONS)] = "product"  # fusion of the residual maps of the layers

    def encoder(self, features: "FeatureSettings") -> dict[str, Any]:
        """List the arguments of ``LevelExtractor`` as JSON values: they determine the features to reconstruct.

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
    image_size: int = Field(
        default=128, ge=32, le=4096, multiple_of=8
    )  # pixels; halved three times
    updates: int = Field(default=500, ge=1, le=1_000_000)
    learning_rate: float = Field(default=0.001, gt=0, le=100)
