"""The parameters of a category that a study starts from."""

from dataclasses import dataclass
from typing import Any

from reb_pipeline.parameters.configurations import IMAGENET
from reb_pipeline.parameters.sections import (
    ComputeParams,
    DefectSynthesisParams,
    FeatureParams,
    FeatureReconstructionParams,
    IngestionParams,
    MemoryBankParams,
    PixelReconstructionParams,
    ScoringParams,
    SSLFinetuneParams,
)


@dataclass(frozen=True)
class Sections:
    """A category's parameters."""

    ingestion: IngestionParams
    features: FeatureParams
    defects: DefectSynthesisParams
    finetuning: SSLFinetuneParams
    memory_bank: MemoryBankParams
    scoring: ScoringParams
    feature_reconstruction: FeatureReconstructionParams
    pixel_reconstruction: PixelReconstructionParams
    compute: ComputeParams

    def defaults(self) -> dict[str, Any]:
        """The cell that they describe."""
        return {
            "backbone": self.features.backbone,
            "representation": "defectmaker" if self.finetuning.enabled else IMAGENET,
            "image_size": self.features.image_size,
            "detector": self.scoring.scorer,
            "distance": self.memory_bank.distance,
            "coreset_ratio": self.memory_bank.coreset_ratio,
            "shots": None,
            "seed": self.memory_bank.seed,
            "n_neighbors": self.scoring.n_neighbors,
            "alpha": self.scoring.alpha,
            "form": self.scoring.form,
            "image_score": self.scoring.image_score,
            "feature_loss": self.feature_reconstruction.loss,
            "fusion": self.feature_reconstruction.fusion,
            "pixel_loss": self.pixel_reconstruction.loss,
        }
