"""Memory bank of streamed images, with copies of them in other light or turned."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

import numpy as np

from reb_pipeline.images.copies import Copy
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
    """Images that can be learnt in other light or turned too."""

    def copied(self, copy: Copy) -> Self:
        """Return a copy of the same images, in other light or turned."""


def fill_bank(
    good: LearnableSource, settings: MemoryBankSettings, memory_gib: float = MEMORY_GIB
) -> MemoryBank:
    """Collect the patches of good images, and of their copies.

    Args:
        good: Good images; their ``provenance``, if they have it, is stored in the bank.
        settings: Distance and number of copies; images without ``copied`` are enough for none.
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
        copies_of(good, settings.copies),
    )


def copies_of(
    good: LearnableSource, copies: Sequence[Copy]
) -> dict[Copy, Iterator[tuple[str, np.ndarray]]]:
    """Stream the patches of each copy of images."""
    return {copy: good.copied(copy).patches() for copy in copies}


def provenance_of(images: PatchSource) -> dict[str, Any]:
    """Return the settings that made the features of images, as JSON values; empty if the source does not say."""
    provenance: dict[str, Any] = getattr(images, "provenance", {})
    return provenance


def file_hashes_of(images: PatchSource) -> list[str]:
    """Return the SHA-256 of the files of images; empty if the source does not say."""
    hashes: list[str] = getattr(images, "image_hashes", [])
    return hashes
