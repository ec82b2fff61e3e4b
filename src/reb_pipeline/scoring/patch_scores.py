"""Patch scores from the nearest coreset rows: LDKNN and the other neighbour scores of REB's Table 6.

All but ``ldknn`` and ``nearest`` compare a patch with its K nearest coreset rows. The outlier factors also compare
these rows with their own neighbours in the coreset.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.scoring.ldknn import divisor, floor_of, ldknn_scores

if TYPE_CHECKING:
    from reb_pipeline.memory_bank.nearest_patches import NearestPatches
    from reb_pipeline.scoring.detector import MemoryBankDetector
    from reb_pipeline.scoring.settings import ScoringSettings

VALUES_PER_BLOCK = 2**24  # 64 MiB of float32 in the largest array of a block of patches


@dataclass(frozen=True)
class PatchScorer:
    """Entry of the registry of patch scores.

    Attributes:
        score: Function of nearest patches and the detector that returns float32 [images, h, w].
        searches_all: True if it reads the K nearest rows of every patch, False if only the nearest one.
        min_neighbors: Smallest K.
        uses_alpha: True if it weights the local density by alpha.
    """

    score: Callable[["NearestPatches", "MemoryBankDetector"], np.ndarray]
    searches_all: bool = True
    min_neighbors: int = 1
    uses_alpha: bool = False


def nearest(found: "NearestPatches", _: "MemoryBankDetector") -> np.ndarray:
    """Take the squared distance to the nearest row: PatchCore's 1-NN, without a root as in the reference code."""
    return found.squared_distances[..., 0]


def knn(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Average the K squared distances (reference code ADModels/ad_head.py)."""
    return found.squared_distances[..., : detector.scoring.n_neighbors].mean(axis=-1)


def kth_nn(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Take the K-th squared distance (reference code ADModels/ad_head.py)."""
    return found.squared_distances[..., detector.scoring.n_neighbors - 1]


def ldknn(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Score by LDKNN, see :func:`reb_pipeline.scoring.ldknn.ldknn_scores`."""
    return ldknn_scores(
        found.squared_distances[..., 0],
        found.rows[..., 0],
        detector.density,
        n_neighbors=detector.scoring.n_neighbors,
        alpha=detector.alpha,
        form=detector.scoring.form,
    )


def lof(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Compute the local outlier factor (Breunig et al., 2000) of patches that are not in the coreset.

    Let d be the Euclidean distance, N(p) the K nearest rows of p, and kd(o) the distance of row o to its K-th other
    row. Then reach(p) = mean over o in N(p) of max(d(p, o), kd(o)). The score is reach(p) · mean over o in N(p) of
    1 / reach(o). To every reach 10⁻⁶ of the rows' mean is added, so that a copy among copies scores 1.
    """
    n_neighbors = detector.scoring.n_neighbors
    squared_others, others = detector.nearest_rows(n_neighbors)
    k_distances = np.sqrt(squared_others[:, -1])

    def mean_reach(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.maximum(np.sqrt(squared), k_distances[rows]).mean(axis=1)

    reach = _in_blocks(mean_reach, squared_others, others)
    floor = floor_of(reach)

    def score(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return (mean_reach(squared, rows) + floor) * (1 / (reach[rows] + floor)).mean(axis=1)

    return _of_patches(score, found, n_neighbors)


def lof_reference(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Compute LOF as in the reference code (ADModels/ad_head.py), on squared distances.

    There a row is one of its own K neighbours and is dropped, so that K − 1 are left. Reachability is replaced by the
    K-th distance of the patch itself: the score is D_K(p) · mean over o in N(p) of 1 / D_{K−1}(o).
    """
    n_neighbors = detector.scoring.n_neighbors
    k_distances = divisor(detector.nearest_rows(n_neighbors - 1)[0][:, -1])

    def score(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return squared[:, -1] * (1 / k_distances[rows]).mean(axis=1)

    return _of_patches(score, found, n_neighbors)


def ldof(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Compute the local distance-based outlier factor (Zhang et al., 2009), as in the reference code.

    The score is the mean Euclidean distance to the K nearest rows, divided by the mean Euclidean distance between two
    of these rows. The divisor is at least 10⁻⁶ of the mean local density, so that copies of one row cannot make it 0.
    """
    features, n_neighbors = detector.features, detector.scoring.n_neighbors
    floor = floor_of(detector.density.mean_distance(n_neighbors, squared=False))

    def score(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        among = features[rows]
        among -= among.mean(axis=1, keepdims=True)  # products of centred rows are more accurate
        norms = np.einsum("pkc,pkc->pk", among, among)
        between = norms[:, :, None] + norms[:, None] - 2 * (among @ among.transpose(0, 2, 1))
        between[:, range(n_neighbors), range(n_neighbors)] = 0
        sums = np.sqrt(np.maximum(between, 0)).sum(axis=(1, 2))
        mean_between = sums / (n_neighbors * (n_neighbors - 1))
        return np.sqrt(squared).mean(axis=1) / np.maximum(mean_between, floor)

    return _of_patches(score, found, n_neighbors, width=n_neighbors * features.shape[1])


SCORERS: dict[str, PatchScorer] = {
    "ldknn": PatchScorer(ldknn, searches_all=False, uses_alpha=True),
    "nearest": PatchScorer(nearest, searches_all=False),
    "knn": PatchScorer(knn),
    "kth_nn": PatchScorer(kth_nn),
    "lof": PatchScorer(lof),
    "lof_reference": PatchScorer(lof_reference, min_neighbors=2),
    "ldof": PatchScorer(ldof, min_neighbors=2),
}


def patch_scores(found: "NearestPatches", detector: "MemoryBankDetector") -> np.ndarray:
    """Score patches by the scorer of the detector's settings.

    Args:
        found: Nearest coreset rows of the patches.
        detector: The detector whose coreset was searched.

    Returns:
        Patch scores, float32 [images, h, w]; higher is more anomalous.

    Raises:
        InputError: If K is larger than the number of rows found for each patch.
    """
    check_depth(found, detector.scoring)
    return SCORERS[detector.scoring.scorer].score(found, detector).astype(np.float32, copy=False)


def check_depth(found: "NearestPatches", scoring: "ScoringSettings") -> None:
    """Check that the scorer has K neighbours of every patch.

    Raises:
        InputError: If K is larger than the number of rows found for each patch.
    """
    if SCORERS[scoring.scorer].searches_all and scoring.n_neighbors > found.max_neighbors:
        msg = (
            f"The scorer {scoring.scorer} with scoring.n_neighbors = {scoring.n_neighbors} needs as many neighbours of "
            f"every patch but {found.max_neighbors} were kept: run the pipelines ldknn_density, evaluation and "
            f"calibration with this scorer and scoring.max_neighbors."
        )
        raise InputError(msg)


def _of_patches(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    found: "NearestPatches",
    n_neighbors: int,
    width: int | None = None,
) -> np.ndarray:
    """Apply a score of [patches, K] arrays to all patches, and put the result back on their grids."""
    squared, rows = (
        part.reshape(-1, found.max_neighbors)[:, :n_neighbors]
        for part in (found.squared_distances, found.rows)
    )
    return _in_blocks(score, squared, rows, width).reshape(found.rows.shape[:-1])


def _in_blocks(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    squared: np.ndarray,
    rows: np.ndarray,
    width: int | None = None,
) -> np.ndarray:
    """Apply ``score`` to blocks of rows with at most VALUES_PER_BLOCK values, ``width`` (default: K) per row."""
    size = max(1, VALUES_PER_BLOCK // (width or rows.shape[1]))
    blocks = (slice(start, start + size) for start in range(0, len(rows), size))
    return np.concatenate([score(squared[block], rows[block]) for block in blocks])
