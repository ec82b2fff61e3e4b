"""Zones of a part with a cut-off each, which share one false-alarm rate.

An edge or a reflection differs between good parts, and a plain face does not. One cut-off for both is that of the edge,
and a defect on the face that stays below it passes. Here images are scored in each zone alone. The patch scores
of a zone are shifted and scaled so that these scores have the mean 0 and the deviation 1 on good images, and the image
gets the highest of them. So one threshold t on the score of the image is the cut-off mean + t · deviation in each zone.

The scores are those of good training images, each compared with the others, as for scores by position
(:mod:`reb_pipeline.scoring.good_scores`). Calibration images have no part in them. So scores of these and of new good
parts stay exchangeable, and the threshold keeps its rate (:mod:`reb_pipeline.calibration.conformal`) for any zones:
they decide only how the false alarms are shared, and so which defects are found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.polygons import Polygon
from reb_pipeline.images.region import Region
from reb_pipeline.scoring.good_scores import MIN_IMAGES, standardized
from reb_pipeline.scoring.image_scores import image_scores

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration
    from reb_pipeline.scoring.settings import ImageScoreSettings

REST = "rest"  # name of the zone of all patches that lie in no other
# Least deviation, as a share of the largest: good images that do not differ in a zone shall not make it decide alone.
LEAST = 0.01


@dataclass(frozen=True, eq=False)
class Zones:
    """Zones on the grid of patches, and how good images score in each.

    Attributes:
        names: Names of the zones.
        numbers: Index in ``names`` of the zone of each patch, int32 [h, w]; -1 outside of a region of interest.
        mean: Mean of the image scores that good images have in the zone alone, float32 [zones].
        spread: Standard deviation of these scores, float32 [zones]; positive.
        distance_mean: Mean of the largest squared distance of a patch of the zone in good images, float32 [zones].
        distance_spread: Standard deviation of these distances, float32 [zones]; positive.

    Example:
        >>> from reb_pipeline.scoring.settings import ImageScoreSettings
        >>> scores = np.random.default_rng(0).random((30, 8, 8), np.float32)
        >>> scores[:, :, 4:] *= 10  # restless
        >>> zones = {"label": [[(0.5, 0), (1, 0), (1, 1), (0.5, 1)]]}
        >>> found = Zones.fit(zones, scores, scores, ImageScoreSettings(image_score="max"))
        >>> found.names, [f"{mean:.1f}" for mean in found.mean]
        (['label', 'rest'], ['9.7', '1.0'])
        >>> one = found.standardize(np.full((1, 8, 8), 5, np.float32))
        >>> bool(one[0, 0, 0] > 0 > one[0, 0, 7])  # much for the quiet zone, little for the restless one
        True
    """

    names: list[str]
    numbers: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    distance_mean: np.ndarray
    distance_spread: np.ndarray

    def __post_init__(self) -> None:
        of_zones = (self.mean, self.spread, self.distance_mean, self.distance_spread)
        fit = all(values.shape == (len(self.names),) for values in of_zones)
        known = self.numbers.size and -1 <= self.numbers.min() <= self.numbers.max() < len(
            self.names
        )
        if not (fit and known and (self.spread > 0).all() and (self.distance_spread > 0).all()):
            msg = "The zones need a positive spread each: run the pipeline ldknn_density again."
            raise InputError(msg)

    @classmethod
    def fit(
        cls,
        polygons: Mapping[str, Sequence[Polygon]],
        patch_scores: np.ndarray,
        squared_distances: np.ndarray,
        settings: "ImageScoreSettings",
    ) -> "Zones":
        """Measure the scores of good images that were not compared with rows of their own image.

        Args:
            polygons: Polygons of each zone by its name, see :func:`number_patches`.
            patch_scores: float32 [images, h, w]; NaN outside of a region of interest.
            squared_distances: Squared distance to the nearest coreset row, float32 of the same shape.
            settings: Name and settings of the image score.

        Raises:
            InputError: If a zone has no patch.
        """
        inside = ~np.isnan(patch_scores).any(axis=0)
        names, numbers = number_patches(polygons, inside)
        masks = [numbers == number for number in range(len(names))]
        scores = _scores_alone(patch_scores, masks, settings)
        highest = np.stack([squared_distances[:, mask].max(axis=1) for mask in masks])
        return cls(names, numbers, *_levels(scores), *_levels(highest))

    @property
    def arrays(self) -> list[np.ndarray]:
        """Arrays that decide a score, for hashes of it."""
        return [self.numbers, self.mean, self.spread, self.distance_mean, self.distance_spread]

    def standardize(self, patch_scores: np.ndarray) -> np.ndarray:
        """Shift and scale the patch scores of each zone.

        Args:
            patch_scores: float32 [images, h, w].

        Returns:
            float32 of the same shape.

        Raises:
            InputError: If the grids have another shape.
        """
        return self._on_grid(patch_scores, self.mean, self.spread)

    def standardize_distances(self, squared_distances: np.ndarray) -> np.ndarray:
        """Shift and scale squared distances, so that the largest of each zone are alike, as :meth:`standardize`."""
        return self._on_grid(squared_distances, self.distance_mean, self.distance_spread)

    def _on_grid(self, values: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
        # Outside of a region, where the number is -1, the values are NaN.
        return standardized(values, mean[self.numbers], spread[self.numbers], "The zones")

    def image_scores(self, patch_scores: np.ndarray, settings: "ImageScoreSettings") -> np.ndarray:
        """Score images by the highest score of a zone alone.

        Args:
            patch_scores: Result of :meth:`standardize`.
            settings: Name and settings of the image score.

        Returns:
            float32 [images].
        """
        masks = [self.numbers == number for number in range(len(self.names))]
        return _scores_alone(patch_scores, masks, settings).max(axis=0)

    def of_patch(self, y: int, x: int) -> str:
        """Name the zone of a patch by its row and column."""
        return self.names[self.numbers[y, x]]

    def cut_offs(self, calibration: "Calibration") -> dict[str, dict[str, Any]]:
        """List the cut-offs of each zone, JSON values.

        Args:
            calibration: Thresholds of images and of what anomaly maps show.

        Returns:
            By zone ``patches``, their number; ``image``, the score of the zone alone above which a part is flagged, and
            ``pixel``, the value of a map above which a place is marked, both in the units that they have without zones;
            None without a threshold.
        """
        of_images = self.mean + calibration.image_threshold * self.spread
        of_pixels = (
            self.distance_mean + calibration.pixel_threshold * self.distance_spread
            if calibration.scoring.get("anomaly_map") == "distance"
            else self.mean + calibration.pixel_threshold * self.spread
        )
        return {
            name: {
                "patches": int((self.numbers == number).sum()),
                "image": float(image) if np.isfinite(image) else None,
                "pixel": float(pixel) if np.isfinite(pixel) else None,
            }
            for number, (name, image, pixel) in enumerate(
                zip(self.names, of_images, of_pixels, strict=True)
            )
        }


def number_patches(
    polygons: Mapping[str, Sequence[Polygon]], inside: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Find the zone of each patch: the smallest one that at least half of it lies in.

    A zone that is smaller than half of a patch takes the patches that it covers most. Patches in none are the zone
    :data:`REST`.

    Args:
        polygons: Polygons of each zone by its name; corners (x, y) from (0, 0) at the top left to (1, 1) at the bottom
            right of an image.
        inside: Patches in the region of interest, bool [h, w].

    Returns:
        Names of the zones, and the index of the zone of each patch, int32 [h, w]; -1 outside of the region.

    Raises:
        InputError: If a zone has no patch.

    Example:
        >>> right, low = [[(0.5, 0), (1, 0), (1, 1), (0.5, 1)]], [[(0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1)]]
        >>> names, numbers = number_patches({"right": right, "low": low}, np.ones((2, 2), bool))
        >>> [[names[number] for number in row] for row in numbers]
        [['rest', 'right'], ['rest', 'low']]
    """
    height, width = inside.shape
    drawn = {name: Region.of_polygons(of_zone) for name, of_zone in polygons.items()}
    names = [*polygons, REST]
    numbers = np.full(inside.shape, len(polygons), np.int32)
    for name in sorted(drawn, key=lambda name: (-drawn[name].mask.sum(), name)):
        numbers[drawn[name].patches((height, width))] = names.index(name)
    numbers[~inside] = -1
    for number, name in enumerate(polygons):
        if not (numbers == number).any():
            msg = (
                f"scoring.zones.{name} has no patch: smaller zones cover it, or it lies outside of features.region. "
                f"Draw it larger, or leave it out."
            )
            raise InputError(msg)
    return (names if (numbers == len(polygons)).any() else names[:-1]), numbers


def check_images(n_images: int, least: int = MIN_IMAGES) -> None:
    """Check that there are enough good images to measure zones on.

    Raises:
        InputError: If there are fewer.
    """
    if n_images < least:
        msg = (
            f"scoring.zones needs {least} good training images to measure the zones on, and there are {n_images}: give "
            f"more good images, or set scoring.zones to null."
        )
        raise InputError(msg)


def _scores_alone(
    patch_scores: np.ndarray, masks: Sequence[np.ndarray], settings: "ImageScoreSettings"
) -> np.ndarray:
    """Score images by the patches of each mask, bool [h, w], alone; float32 [masks, images]."""
    missing = np.float32(np.nan)
    return np.stack([image_scores(np.where(one, patch_scores, missing), settings) for one in masks])


def _levels(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation of each zone, of floats [zones, images]."""
    mean, spread = scores.mean(axis=1, dtype=np.float64), scores.std(axis=1, dtype=np.float64)
    least = LEAST * float(spread.max()) or 1.0
    return mean.astype(np.float32), np.maximum(spread, least).astype(np.float32)
