"""Memory bank of streamed images, with copies of them in other light."""

from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np

from reb_pipeline.memory_bank.bank import MEMORY_GIB, MemoryBank, collect_patches
from reb_pipeline.memory_bank.settings import MemoryBankSettings


class PatchSource(Protocol):
    """Images as grids of patch features; every call streams them from the start, in the order of ``image_ids``."""

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images."""

    def patches(self) -> Iterator[tuple[str, np.ndarray]]:
        """Stream (image id, float32 [h, w, channels])."""


class LearnableSource(PatchSource, Protocol):
    """Images that can be learnt in other light too."""

    def in_other_light(self, copy: int) -> Self:
        """Return the same images in the light of a copy, see :func:`reb_pipeline.images.light.in_other_light`."""


def fill_bank(
    good: LearnableSource, settings: MemoryBankSettings, memory_gib: float = MEMORY_GIB
) -> MemoryBank:
    """Collect the patches of good images, and of their copies in other light.

    Args:
        good: Good images; their ``provenance``, if they have it, is stored in the bank.
        settings: Distance and number of copies; images without ``in_other_light`` are enough for none.
        memory_gib: See :func:`reb_pipeline.memory_bank.bank.collect_patches`.

    Raises:
        InputError: See :func:`reb_pipeline.memory_bank.bank.collect_patches`.
    """
    return collect_patches(
        good.patches(),
        len(good.image_ids),
        provenance_of(good),
        settings,
        memory_gib,
        good.image_ids,
        copies_of(good, settings.light_copies),
    )


def copies_of(good: LearnableSource, n_copies: int) -> list[Iterator[tuple[str, np.ndarray]]]:
    """Stream the patches of each copy of images in other light."""
    return [good.in_other_light(copy).patches() for copy in range(1, 1 + n_copies)]


def provenance_of(images: PatchSource) -> dict[str, Any]:
    """Return the settings that made the features of images, as JSON values; empty if the source does not say."""
    provenance: dict[str, Any] = getattr(images, "provenance", {})
    return provenance


def file_hashes_of(images: PatchSource) -> list[str]:
    """Return the SHA-256 of the files of images; empty if the source does not say."""
    hashes: list[str] = getattr(images, "image_hashes", [])
    return hashes
