"""Registry of detectors by name."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

from pydantic import ValidationError

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings, validated
from reb_pipeline.detectors.bank import BankDetector
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


def _memory_bank(s: DetectorSettings) -> Detector:
    return BankDetector(s.memory_bank, s.scoring, s.device, s.description)


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


# Studies name a memory bank by its patch score instead, a key of reb_pipeline.scoring.patch_scores.SCORERS.
DETECTORS: dict[str, Callable[[DetectorSettings], Detector]] = {
    "memory_bank": _memory_bank,
    "gde": lambda _: GdeDetector(),
    "padim": _padim,
    "spade": lambda _: SpadeDetector(),
    "fused": _fused,
    "hierarchical": _hierarchical,
    "feature_reconstruction": _feature_reconstruction,
    **{model: partial(_pixel_reconstruction, model) for model in PIXEL_MODELS},
    "hybrid": _hybrid,
}


def make_detector(name: str, settings: DetectorSettings) -> Detector:
    """Build a detector without fitting it; only the settings that it reads are checked.

    Args:
        name: A key of :data:`DETECTORS`.
        settings: Settings of all detectors.

    Raises:
        InputError: If a setting that the detector reads cannot be used.
    """
    try:
        detector = DETECTORS[name](settings)
    except ValidationError as error:  # from settings that are derived from these
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        msg = f"The detector {name} cannot be used: {reason}."
        raise InputError(msg) from None
    for field in fields(detector):  # type: ignore[arg-type]
        value = getattr(detector, field.name)
        if isinstance(value, Settings):
            validated(type(value), value.model_dump(), field.name)
    return detector
