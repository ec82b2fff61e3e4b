"""Every detector by name."""

from collections.abc import Callable
from functools import partial

from reb_pipeline.detectors.gaussian import GdeDetector, PadimDetector
from reb_pipeline.detectors.hierarchical import HierarchicalDetector
from reb_pipeline.detectors.hybrid import HybridDetector
from reb_pipeline.detectors.interface import Detector
from reb_pipeline.detectors.memory_bank import MemoryBankDetector
from reb_pipeline.detectors.multiscale import FusedDetector
from reb_pipeline.detectors.reconstruction import (
    FeatureReconstructionDetector,
    PixelReconstructionDetector,
)
from reb_pipeline.detectors.spade import SpadeDetector
from reb_pipeline.reconstruction.pixel_networks import PIXEL_MODELS
from reb_pipeline.scoring.patch_scores import SCORERS

# Each takes its own settings as keywords; all of them have defaults.
DETECTORS: dict[str, Callable[..., Detector]] = {
    **{scorer: partial(MemoryBankDetector, scorer) for scorer in SCORERS},
    "gde": GdeDetector,
    "padim": PadimDetector,
    "spade": SpadeDetector,
    "fused": FusedDetector,
    "hierarchical": HierarchicalDetector,
    "feature_reconstruction": FeatureReconstructionDetector,
    **{model: partial(PixelReconstructionDetector, model) for model in PIXEL_MODELS},
    "hybrid": HybridDetector,
}
