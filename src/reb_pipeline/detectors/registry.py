"""Registry of detectors by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from reb_pipeline.detectors.gaussian import GdeDetector, PadimDetector
from reb_pipeline.detectors.hierarchical import HierarchicalDetector
from reb_pipeline.detectors.hybrid import HybridDetector
from reb_pipeline.detectors.interface import Detector
from reb_pipeline.detectors.multiscale import FusedDetector
from reb_pipeline.detectors.reconstruction import (
    FeatureReconstructionDetector,
    PixelReconstructionDetector,
)
from reb_pipeline.detectors.spade import SpadeDetector
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from reb_pipeline.reconstruction.settings import (
    FeatureReconstructionSettings,
    PixelReconstructionSettings,
)
from reb_pipeline.scoring.settings import ScoringSettings


@dataclass(frozen=True)
class DetectorSettings:
    """Settings of all detectors; each detector reads its part.

    Attributes:
        memory_bank: Distance, coreset and seed.
        scoring: Scores of patches and images.
        feature_reconstruction: Levels, loss, fusion and training.
        pixel_reconstruction: Size of the images, loss and training.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; None shows no bars.

    Example:
        >>> from reb_pipeline.scoring.settings import ScoringSettings
        >>> settings = DetectorSettings(scoring=ScoringSettings(n_neighbors=3))
        >>> DETECTORS["hierarchical"](settings).n_neighbors
        3
    """

    memory_bank: MemoryBankSettings = MemoryBankSettings()
    scoring: ScoringSettings = ScoringSettings()
    feature_reconstruction: FeatureReconstructionSettings = FeatureReconstructionSettings()
    pixel_reconstruction: PixelReconstructionSettings = PixelReconstructionSettings()
    device: str = "auto"
    description: str | None = None


def _padim(s: DetectorSettings) -> Detector:
    return PadimDetector(s.scoring.of_images, seed=s.memory_bank.seed)


def _fused(s: DetectorSettings) -> Detector:
    return FusedDetector(s.scoring.of_images, s.memory_bank.coreset_ratio, s.memory_bank.seed)


def _hierarchical(s: DetectorSettings) -> Detector:
    return HierarchicalDetector(s.scoring.of_images, s.scoring.n_neighbors)


def _feature_reconstruction(s: DetectorSettings) -> Detector:
    return FeatureReconstructionDetector(
        s.feature_reconstruction, s.scoring.of_images, s.device, s.description
    )


def _pixel_reconstruction(model: str, s: DetectorSettings) -> Detector:
    return PixelReconstructionDetector(
        model, s.pixel_reconstruction, s.scoring.of_images, s.device, s.description
    )


def _hybrid(s: DetectorSettings) -> Detector:
    return HybridDetector(
        s.memory_bank, s.scoring, s.feature_reconstruction, s.device, s.description
    )


# Detectors of a memory bank are not here; their patch scores are in reb_pipeline.scoring.patch_scores.SCORERS.
DETECTORS: dict[str, Callable[[DetectorSettings], Detector]] = {
    "gde": lambda _: GdeDetector(),
    "padim": _padim,
    "spade": lambda _: SpadeDetector(),
    "fused": _fused,
    "hierarchical": _hierarchical,
    "feature_reconstruction": _feature_reconstruction,
    **{model: partial(_pixel_reconstruction, model) for model in PIXEL_MODELS},
    "hybrid": _hybrid,
}
