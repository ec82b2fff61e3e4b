"""What every detector takes and gives, so that any of them can stand in for another in a comparison."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reb_pipeline.core.errors import InputError, insist_known
from reb_pipeline.images.samples import HOLD_OUT_EVERY
from reb_pipeline.scoring.image_scores import IMAGE_SCORES, REWEIGHTED, ImageScoreSettings

FEWEST_TO_LEARN = 2  # images


class FeatureSource(Protocol):
    """Images, and features of them made elsewhere; every call streams anew, in the order of ``image_ids``."""

    image_ids: list[str]

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

    def pixels(self, side: int) -> Iterator[tuple[str, np.ndarray]]:
        """Stream the images themselves, resized without crop.

        Args:
            side: Pixels.

        Yields:
            (image id, uint8 [side, side, 3] RGB).
        """

    def take(self, order: Sequence[int]) -> "FeatureSource":
        """Some of the images.

        Args:
            order: Their positions in ``image_ids``.
        """


@dataclass(frozen=True)
class Detection:
    """What a detector says of some images.

    Attributes:
        image_ids: Ids of the images.
        image_scores: float32 [images], higher = more anomalous.
        patch_scores: float32 [images, h, w], likewise; None where only whole images are judged.
    """

    image_ids: list[str]
    image_scores: np.ndarray
    patch_scores: np.ndarray | None


class Detector(Protocol):
    """Learns what good images look like, then judges others."""

    @property
    def nbytes(self) -> int:
        """Bytes of what was learned, which detection has to hold in memory; the encoder's are not among them."""

    def fit(self, good: FeatureSource) -> None:
        """Learn from good images; what was learned before is forgotten.

        Raises:
            InputError: If there are too few images.
        """

    def detect(self, images: FeatureSource) -> Detection:
        """Judge images; changes nothing of what was learned."""


def insist_on_images(good: FeatureSource, smallest: int, reason: str) -> None:
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
    """Part good images into those to learn from and every tenth, to be judged as unseen ones.

    Returns:
        Both; all images and None where too few would be left to learn from.
    """
    positions = range(len(good.image_ids))
    learned = [n for n in positions if n % HOLD_OUT_EVERY]
    if len(learned) < FEWEST_TO_LEARN:
        return good, None
    return good.take(learned), good.take(positions[::HOLD_OUT_EVERY])


def patch_detection(
    image_ids: list[str], patch_scores: Sequence[np.ndarray] | np.ndarray, image_score: str
) -> Detection:
    """Judge images by the scores of their patches.

    Args:
        image_ids: Ids of the images.
        patch_scores: Scores of each image's patches, [h, w].
        image_score: A key of :data:`IMAGE_SCORES`.

    Raises:
        InputError: If the image score is unknown, or needs neighbours or a setting beyond the usual ones.
    """
    if image_score == REWEIGHTED:
        msg = (
            f"The image score {REWEIGHTED} compares the neighbours of a patch, which this detector does not search: "
            f"choose one of {', '.join(IMAGE_SCORES)}."
        )
        raise InputError(msg)
    insist_known([image_score], list(IMAGE_SCORES), "Image score")
    scores = np.asarray(patch_scores, np.float32)
    of_images = IMAGE_SCORES[image_score](scores, ImageScoreSettings())
    return Detection(image_ids, of_images.astype(np.float32, copy=False), scores)
