"""Settings of the memory bank."""

from typing import Annotated

from pydantic import Field

from reb_pipeline.core.settings import Seed, Settings, one_of
from reb_pipeline.images.copies import Copy, copies_of_images
from reb_pipeline.memory_bank.distances import DISTANCES


class MemoryBankSettings(Settings):
    """Coreset size and distance of the memory bank, and its copies of images; the defaults are the paper's.

    Example:
        >>> MemoryBankSettings(coreset_ratio=0.1)
        MemoryBankSettings(distance='euclidean', coreset_ratio=0.1, light_copies=0, turned_copies=0, seed=0)
    """

    distance: Annotated[str, one_of(DISTANCES)] = "euclidean"
    coreset_ratio: float = Field(default=1.0, gt=0, le=1)  # share of the bank's rows
    light_copies: int = Field(default=0, ge=0, le=20)  # of each image, in other light
    turned_copies: int = Field(default=0, ge=0, le=35)  # of each image, at even steps of the angle
    seed: Seed = 0  # seed of the coreset selection

    @property
    def copies(self) -> list[Copy]:
        """Copies of each image."""
        return copies_of_images(self.light_copies, self.turned_copies)
