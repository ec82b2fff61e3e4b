"""Memory bank as a detector like all others."""

from dataclasses import dataclass

from reb_pipeline.core.device import torch_device
from reb_pipeline.detectors.interface import FeatureSource
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings


@dataclass(eq=False)
class BankDetector:
    """PatchCore, LDKNN and the other neighbour scores, see :class:`reb_pipeline.scoring.detector.MemoryBankDetector`.

    Attributes:
        memory_bank: Distance and coreset.
        scoring: Settings of the scores.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bars; None shows no bars.
    """

    memory_bank: MemoryBankSettings = MemoryBankSettings()
    scoring: ScoringSettings = ScoringSettings()
    device: str = "auto"
    description: str | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the coreset and its local density."""
        return self._fitted.nbytes

    def fit(self, good: FeatureSource) -> None:
        """Fill the memory bank.

        Raises:
            InputError: If there are too few images, or the distance cannot be fitted on them.
        """
        self._processor = str(torch_device(self.device))
        self._fitted = MemoryBankDetector.fit(
            good,
            self.memory_bank,
            self.scoring,
            device=self._processor,
            description=self.description,
        )

    def detect(self, images: FeatureSource) -> Detection:
        """Score images and their patches.

        Raises:
            InputError: If there are no images, or another network made their features.
        """
        return self._fitted.detect(images, self._processor)
