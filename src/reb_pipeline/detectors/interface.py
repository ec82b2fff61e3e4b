"""Interface of all detectors, from features to scores."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings
from reb_pipeline.images.copies import Copy
from reb_pipeline.images.samples import HOLD_OUT_EVERY
from reb_pipeline.scoring.detection import Detection

if TYPE_CHECKING:
    from reb_pipeline.memory_bank.filling import PatchSource

FEWEST_TO_LEARN = 2  # images


class PixelSource(Protocol):
    """Images; every call streams them from the start, in the order of ``image_ids``."""

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images."""

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images, resized to squares without cropping.

        Args:
            side: Side of the squares in pixels.

        Yields:
            (image id, uint8 [side, side, 3] RGB).
        """


class FeatureSource(PixelSource, Protocol):
    """Images and their features; every call streams them from the start, in the order of ``image_ids``."""

    @property
    def layers(self) -> list[str | int]:
        """Tapped layers, finest first."""

    def patches(
        self, layers: Sequence[str | int] | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Stream patch features.

        Args:
            layers: Layers to fuse into one feature per patch; None for the tapped layers.

        Yields:
            (image id, float32 [h, w, channels]), on the grid of the finest of these layers.
        """

    def pooled(self) -> np.ndarray:
        """Average the network's deepest layer over all positions, float32 [images, channels]."""

    def levels(
        self, layers: Sequence[str | int] | None = None
    ) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers without a neck, each on its own grid.

        Args:
            layers: Layers, finest first; None for the backbone's default levels.

        Yields:
            (image id, float32 [h, w, channels] of every layer).
        """

    def take(self, order: Sequence[int]) -> "FeatureSource":
        """Select some of the images.

        Args:
            order: Positions of the images in ``image_ids``.
        """

    def copied(self, copy: Copy) -> Self:
        """Return a copy of the same images, in other light or turned."""


class Detector(Protocol):
    """Detector that learns from good images and scores others."""

    @property
    def nbytes(self) -> int:
        """Bytes of the learned model that detection needs in memory, without the encoder."""

    def fit(self, good: FeatureSource) -> None:
        """Learn from good images and replace an earlier model.

        Raises:
            InputError: If there are too few images.
        """

    def detect(self, images: FeatureSource) -> Detection:
        """Score images; the learned model stays unchanged."""


def check_image_count(good: "FeatureSource | PatchSource", smallest: int, reason: str) -> None:
    """Check that there are enough good images.

    Args:
        good: Features of the good images.
        smallest: Smallest number of images.
        reason: Reason for this number, a clause of the error message.

    Raises:
        InputError: If there are fewer images.
    """
    n_images = len(good.image_ids)
    if n_images < smallest:
        msg = f"The number of good images, {n_images}, is too small, as {reason}: give at least {smallest}."
        raise InputError(msg)


def held_out_tenth(good: FeatureSource) -> tuple[FeatureSource, FeatureSource | None]:
    """Split good images: hold out every tenth image, and learn from the others.

    Returns:
        Images to learn from, and held-out images; all images and None if fewer than two remained to learn from.
    """
    positions = range(len(good.image_ids))
    learned = [n for n in positions if n % HOLD_OUT_EVERY]
    if len(learned) < FEWEST_TO_LEARN:
        return good, None
    return good.take(learned), good.take(positions[::HOLD_OUT_EVERY])


def settings_of(detector: Detector) -> dict[str, Any]:
    """List all settings that affect the model and the scores of a detector, as JSON values.

    A detector is a dataclass whose fields are its settings. Its device and the label of its progress bars have no
    effect.
    """
    values = {field.name: getattr(detector, field.name) for field in fields(detector)}  # type: ignore[arg-type]
    return {
        name: value.model_dump(mode="json") if isinstance(value, Settings) else value
        for name, value in values.items()
        if name not in ("device", "description")
    }
