"""The interface of all detectors: features in, scores out."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Protocol

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings
from reb_pipeline.images.samples import HOLD_OUT_EVERY
from reb_pipeline.scoring.detection import Detection

FEWEST_TO_LEARN = 2  # images


class PixelSource(Protocol):
    """Images; every call streams anew, in the order of ``image_ids``."""

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images."""

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images themselves, resized without crop.

        Args:
            side: Pixels.

        Yields:
            (image id, uint8 [side, side, 3] RGB).
        """


class FeatureSource(PixelSource, Protocol):
    """Images, and features of them made elsewhere; every call streams anew, in the order of ``image_ids``."""

    @property
    def layers(self) -> list[str | int]:
        """The tapped layers, finest first."""

    def patches(
        self, layers: Sequence[str | int] | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Stream patch features.

        Args:
            layers: The layers to fuse to one feature a patch; the tapped ones if None.

        Yields:
            (image id, float32 [h, w, channels]); h and w are those of the finest layer asked for.
        """

    def pooled(self) -> np.ndarray:
        """The network's deepest layer averaged over all positions, float32 [images, channels]."""

    def levels(
        self, layers: Sequence[str | int] | None = None
    ) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Stream layers as the network gives them, each on its own grid.

        Args:
            layers: Which, finest first; the backbone's usual three if None.

        Yields:
            (image id, float32 [h, w, channels] of every layer).
        """

    def take(self, order: Sequence[int]) -> "FeatureSource":
        """Some of the images.

        Args:
            order: Their positions in ``image_ids``.
        """


class Detector(Protocol):
    """Learns from good images, then scores others."""

    @property
    def nbytes(self) -> int:
        """Bytes of what was learned, which detection has to hold in memory; the encoder's are not among them."""

    def fit(self, good: FeatureSource) -> None:
        """Learn from good images; what was learned before is forgotten.

        Raises:
            InputError: If there are too few images.
        """

    def detect(self, images: FeatureSource) -> Detection:
        """Score images; changes nothing of what was learned."""


def check_image_count(good: FeatureSource, smallest: int, reason: str) -> None:
    """Check that there are enough good images.

    Args:
        good: Their features.
        smallest: How many are needed.
        reason: Why, a part of the sentence.

    Raises:
        InputError: If there are fewer.
    """
    n_images = len(good.image_ids)
    if n_images < smallest:
        msg = f"The number of good images, {n_images}, is too small, as {reason}: give at least {smallest}."
        raise InputError(msg)


def held_out_tenth(good: FeatureSource) -> tuple[FeatureSource, FeatureSource | None]:
    """Part good images into those to learn from and every tenth, to be scored as unseen ones.

    Returns:
        Both; all images and None where too few would be left to learn from.
    """
    positions = range(len(good.image_ids))
    learned = [n for n in positions if n % HOLD_OUT_EVERY]
    if len(learned) < FEWEST_TO_LEARN:
        return good, None
    return good.take(learned), good.take(positions[::HOLD_OUT_EVERY])


def settings_of(detector: Detector) -> dict[str, Any]:
    """Everything that decides what a detector learns and how it scores, as JSON values.

    A detector is a dataclass whose fields are its settings; its device and the label of its progress bars decide
    nothing.
    """
    values = {field.name: getattr(detector, field.name) for field in fields(detector)}  # type: ignore[arg-type]
    return {
        name: value.model_dump(mode="json") if isinstance(value, Settings) else value
        for name, value in values.items()
        if name not in ("device", "description")
    }
