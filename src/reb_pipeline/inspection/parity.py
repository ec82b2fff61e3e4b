"""Comparison of a packaged model with the training pipeline on the same images."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.calibration.verdicts import above
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.inspector import Inspector
from reb_pipeline.inspection.model import Detector
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.gaussians import Distances

TOLERANCE = 1e-3


@dataclass(frozen=True)
class Parity:
    """Differences between a packaged model and the training pipeline.

    Attributes:
        model_id: Id of the packaged model.
        images: Number of compared images.
        tolerance: Largest allowed difference.
        distance_difference: Largest difference of a distance (of a memory bank: squared), divided by the largest one.
        map_difference: Largest difference of a pixel of an anomaly map, divided by the largest value of all maps.
        score_difference: Largest difference of an image score, divided by the largest image score.
        ties: Patches with another nearest row at the same distance; maps are compared with the same row for both.
        verdicts_differ: Images with another verdict, except those whose scores equal the threshold up to rounding.
    """

    model_id: str
    images: int
    tolerance: float
    distance_difference: float
    map_difference: float
    score_difference: float
    ties: int
    verdicts_differ: int

    def figures(self) -> dict[str, Any]:
        """List the attributes as JSON values."""
        return asdict(self)

    def statement(self) -> str:
        """Describe the differences in a sentence."""
        return (
            f"The packaged model {self.model_id[:12]} and the training pipeline differ on {self.images} good images by "
            f"{self.verdicts_differ} verdicts; of the largest value, maps by {self.map_difference:.1e}, scores by "
            f"{self.score_difference:.1e} and distances by {self.distance_difference:.1e}."
        )

    def check(self) -> None:
        """Check that the packaged model scores like the training pipeline.

        Raises:
            InputError: If a difference exceeds the tolerance, or a verdict differs.
        """
        differences = self.distance_difference, self.map_difference, self.score_difference
        if self.verdicts_differ or not all(one <= self.tolerance for one in differences):
            msg = (
                f"{self.statement()[:-1]}, but no verdict and {self.tolerance:.0e} of the largest value may: set "
                "features.engine to torch, or choose another features.backbone."
            )
            raise InputError(msg)


def compare(
    inspector: Inspector,
    images: Iterable[np.ndarray],
    expected: NearestPatches | Distances,
    detector: Detector,
    calibration: Calibration,
) -> Parity:
    """Inspect images with a packaged model and compare the results with those of the training pipeline.

    A patch may have two nearest rows at the same distance, and rounding decides which of them scores it. Distances do
    not depend on this choice and are compared directly. For scores and maps the training pipeline uses the rows that
    the packaged model has chosen.

    Args:
        inspector: The packaged model.
        images: uint8 [height, width, 3] RGB of each image.
        expected: Result of the training pipeline's ``search`` for these images; of a memory bank at least as many
            neighbours as the packaged model searches.
        detector: Detector of the training pipeline.
        calibration: Calibration of the training pipeline.

    Raises:
        InputError: If the packaged model was made from another coreset or detector, or has an older calibration.
    """
    _check_same(inspector.calibration, calibration, expected)
    found, inspections = [], []
    for image in images:
        nearest, grid = inspector.search(image)
        found.append(nearest)
        inspections.append(inspector.verdict(nearest, grid, image.shape[:2]))
    ties = 0
    if isinstance(expected, NearestPatches):
        distances = np.concatenate([one.squared_distances for one in found])
        rows = np.concatenate([one.rows for one in found])
        ties = int((rows[..., 0] != expected.rows[..., 0]).sum())
        of_rows = expected.squared_distances[..., : rows.shape[-1]]
        expected = replace(expected, squared_distances=of_rows, rows=rows)
    else:
        distances = np.concatenate([one.distances for one in found])
        of_rows = expected.distances
    detection = detector.score(expected)  # type: ignore[arg-type]
    scores = detection.image_scores
    maps = detection.anomaly_maps(inspector.size, calibration.scoring["smoothing_sigma"])
    found_scores = np.array([one.image_score for one in inspections])
    found_maps = np.stack([one.anomaly_map for one in inspections])
    return Parity(
        model_id=inspector.model_id,
        images=len(inspections),
        tolerance=TOLERANCE,
        distance_difference=_relative(distances, of_rows),
        map_difference=_relative(found_maps, np.stack([amap for _, amap in maps])),
        score_difference=_relative(found_scores, scores),
        ties=ties,
        verdicts_differ=sum(
            _verdicts_differ(found_scores, scores, ours, theirs)
            for ours, theirs in zip(
                _thresholds(inspector.calibration), _thresholds(calibration), strict=False
            )
        ),
    )


def _check_same(
    packaged: Calibration, calibration: Calibration, expected: NearestPatches | Distances
) -> None:
    """Check that a packaged model was made from the same coreset or detector, and has the same calibration.

    Raises:
        InputError: If it was not.
    """
    if isinstance(expected, NearestPatches):
        made_from, there, what = (
            packaged.coreset_fingerprint,
            expected.coreset_fingerprint,
            "coreset",
        )
    else:
        made_from, there = packaged.detector_fingerprint, calibration.detector_fingerprint
        what = "detector"
    if made_from != there:
        msg = (
            f"The packaged model was made from another {what} than the one that is there now: run the pipeline "
            f"packaging again, or load the versions that it was made from."
        )
        raise InputError(msg)
    is_scored_alike = (
        packaged.scoring == calibration.scoring and packaged.alpha == calibration.alpha
    )
    if is_scored_alike and not packaged.is_same(calibration):
        msg = (
            f"The packaged model has another calibration ({packaged.origin}) than the one that is there "
            f"now ({calibration.origin}), so the verdicts differ: run the pipeline packaging again, or load the "
            f"calibration that it was made with by --load-versions."
        )
        raise InputError(msg)


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    largest = float(np.abs(expected).max()) or 1.0
    return float(np.abs(found - expected).max()) / largest


def _thresholds(calibration: Calibration) -> list[float]:
    """List the thresholds of the image score, that of defective parts first."""
    doubtful = calibration.doubtful_threshold
    return [calibration.image_threshold, *([] if doubtful is None else [doubtful])]


def _verdicts_differ(
    found: np.ndarray, expected: np.ndarray, found_threshold: float, threshold: float
) -> int:
    """Count images that are above only one of both, except those with both scores within rounding of the threshold."""
    differ = above(found, found_threshold) != above(expected, threshold)
    near = TOLERANCE * (float(np.abs(expected).max()) or 1.0)
    at_threshold = np.maximum(np.abs(found - found_threshold), np.abs(expected - threshold)) <= near
    return int((differ & ~at_threshold).sum())
