"""Scores of patches from one search of K_max neighbours: LDKNN and the other neighbour scores of REB's table 6.

All but ``ldknn`` compare a patch with its K nearest coreset rows, and these with their own neighbours in the coreset.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError, insist_known
from reb_pipeline.memory_bank.bank import fingerprint
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.ldknn import above_zero, floor_of, ldknn_scores
from reb_pipeline.search.index import nearest_other_rows

VALUES_PER_BLOCK = 2**24  # 64 MiB of float32 in the largest array of a block of patches


@dataclass(frozen=True)
class Neighborhoods:
    """Everything that a scorer of patches may read.

    Attributes:
        nearest: The nearest coreset rows of every patch.
        density: Local density of the coreset rows.
        features: Features of the coreset, float32 [coreset rows, channels].

    Raises:
        InputError: If the three are not of the same coreset.
    """

    nearest: NearestPatches
    density: LocalDensity
    features: np.ndarray

    def __post_init__(self) -> None:
        self.density.insist_on(self.nearest.coreset_fingerprint)
        if fingerprint(self.features) != self.nearest.coreset_fingerprint:
            msg = (
                "The memory bank or the coreset is another one than was searched: "
                "run the pipelines ldknn_density and evaluation again."
            )
            raise InputError(msg)

    @cached_property
    def graph(self) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances, ascending, and positions of each coreset row's nearest other coreset rows.

        float32 and int64 [coreset rows, K], with as many neighbours as were searched for a patch.
        """
        n_rows = len(self.features)
        k = min(self.nearest.max_neighbors, n_rows - 1)
        return nearest_other_rows(self.features, np.arange(n_rows), self.features, k)

    def k_distances(self, n_neighbors: int) -> np.ndarray:
        """Squared distance of each coreset row to its K-th nearest other one, float32 [coreset rows].

        Raises:
            InputError: If the coreset has no more than K rows.
        """
        if n_neighbors >= len(self.features):
            msg = (
                f"Each coreset row needs {n_neighbors} others but the coreset has {len(self.features)} rows: "
                f"lower scoring.n_neighbors or raise memory_bank.coreset_ratio."
            )
            raise InputError(msg)
        return self.graph[0][:, n_neighbors - 1]


@dataclass(frozen=True)
class PatchScorer:
    """A score of patches.

    Attributes:
        score: (neighborhoods, K, ...) to float32 [images, h, w].
        searches_all: Whether it reads K rows of every patch; the nearest one otherwise.
        min_neighbors: Smallest K.
    """

    score: Callable[..., np.ndarray]
    searches_all: bool = True
    min_neighbors: int = 1


def nearest(neighborhoods: Neighborhoods, *_: Any) -> np.ndarray:
    """Squared distance to the nearest row: PatchCore's 1-NN; the reference code takes no root."""
    return neighborhoods.nearest.squared_distances[..., 0]


def knn(neighborhoods: Neighborhoods, n_neighbors: int, *_: Any) -> np.ndarray:
    """Mean of the K squared distances (reference code ADModels/ad_head.py)."""
    return neighborhoods.nearest.squared_distances[..., :n_neighbors].mean(axis=-1)


def kth_nn(neighborhoods: Neighborhoods, n_neighbors: int, *_: Any) -> np.ndarray:
    """The K-th squared distance (reference code ADModels/ad_head.py)."""
    return neighborhoods.nearest.squared_distances[..., n_neighbors - 1]


def ldknn(neighborhoods: Neighborhoods, n_neighbors: int, alpha: float, form: str) -> np.ndarray:
    """See :func:`ldknn_scores`."""
    found = neighborhoods.nearest
    return ldknn_scores(
        found.squared_distances[..., 0],
        found.rows[..., 0],
        neighborhoods.density,
        n_neighbors=n_neighbors,
        alpha=alpha,
        form=form,
    )


def lof(neighborhoods: Neighborhoods, n_neighbors: int, *_: Any) -> np.ndarray:
    """Local outlier factor (Breunig et al., 2000) of a patch that is no part of the coreset.

    With d the Euclidean distance, N the K nearest rows and kd(o) the distance of row o to its K-th other one:
    reach(p) = mean over o in N(p) of max(d(p, o), kd(o)), and the score is reach(p) · mean of 1 / reach(o). 10⁻⁶ of
    the rows' mean is added to every reach, so that a copy among copies scores 1.
    """
    k_distances = np.sqrt(neighborhoods.k_distances(n_neighbors))

    def mean_reach(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.maximum(np.sqrt(squared), k_distances[rows]).mean(axis=1)

    squared_others, others = neighborhoods.graph
    reach = _in_blocks(mean_reach, squared_others[:, :n_neighbors], others[:, :n_neighbors])
    floor = floor_of(reach)

    def score(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return (mean_reach(squared, rows) + floor) * (1 / (reach[rows] + floor)).mean(axis=1)

    return _of_patches(score, neighborhoods, n_neighbors)


def lof_reference(neighborhoods: Neighborhoods, n_neighbors: int, *_: Any) -> np.ndarray:
    """What the reference code calls LOF (ADModels/ad_head.py), on squared distances.

    There a row counts among its own K neighbours and is dropped, so K − 1 are left, and reachability comes down to the
    own K-distance: the score is D_K(p) · mean over o in N(p) of 1 / D_{K−1}(o).
    """
    k_distances = above_zero(neighborhoods.k_distances(n_neighbors - 1))

    def score(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return squared[:, -1] * (1 / k_distances[rows]).mean(axis=1)

    return _of_patches(score, neighborhoods, n_neighbors)


def ldof(neighborhoods: Neighborhoods, n_neighbors: int, *_: Any) -> np.ndarray:
    """Local distance-based outlier factor (Zhang et al., 2009), as the reference code.

    Mean Euclidean distance to the K nearest rows over the mean Euclidean distance between two of these. The latter is
    kept above 10⁻⁶ of the mean local density, so that copies of one row do not divide by zero.
    """
    features = neighborhoods.features
    floor = floor_of(neighborhoods.density.mean_distance(n_neighbors, squared=False))

    def score(squared: np.ndarray, rows: np.ndarray) -> np.ndarray:
        among = features[rows]
        among -= among.mean(axis=1, keepdims=True)  # near zero the products below keep their digits
        norms = np.einsum("pkc,pkc->pk", among, among)
        between = norms[:, :, None] + norms[:, None] - 2 * (among @ among.transpose(0, 2, 1))
        between[:, range(n_neighbors), range(n_neighbors)] = 0
        sums = np.sqrt(np.maximum(between, 0)).sum(axis=(1, 2))
        mean_between = sums / (n_neighbors * (n_neighbors - 1))
        return np.sqrt(squared).mean(axis=1) / np.maximum(mean_between, floor)

    return _of_patches(score, neighborhoods, n_neighbors, width=n_neighbors * features.shape[1])


SCORERS: dict[str, PatchScorer] = {
    "ldknn": PatchScorer(ldknn, searches_all=False),
    "nearest": PatchScorer(nearest, searches_all=False),
    "knn": PatchScorer(knn),
    "kth_nn": PatchScorer(kth_nn),
    "lof": PatchScorer(lof),
    "lof_reference": PatchScorer(lof_reference, min_neighbors=2),
    "ldof": PatchScorer(ldof, min_neighbors=2),
}


def search_depth(scorer: str, max_neighbors: int) -> int:
    """Number of coreset rows to search for each patch, so that every K up to ``max_neighbors`` can be scored."""
    return max_neighbors if SCORERS[scorer].searches_all else 1


def patch_scores(
    neighborhoods: Neighborhoods, scorer: str, *, n_neighbors: int, alpha: float, form: str
) -> np.ndarray:
    """Score patches.

    Args:
        neighborhoods: What was found.
        scorer: A key of :data:`SCORERS`.
        n_neighbors: K.
        alpha: See :func:`ldknn_scores`; of ``ldknn`` alone.
        form: Likewise.

    Returns:
        Patch scores, float32 [images, h, w]; higher is more anomalous.

    Raises:
        InputError: If the scorer is unknown, or K too small for it or larger than what was searched.
    """
    insist_known([scorer], list(SCORERS), "Scorer")
    chosen = SCORERS[scorer]
    if n_neighbors < chosen.min_neighbors:
        msg = (
            f"scoring.n_neighbors = {n_neighbors} is too small for the scorer {scorer}: "
            f"it needs at least {chosen.min_neighbors}."
        )
        raise InputError(msg)
    searched = neighborhoods.nearest.max_neighbors
    if chosen.searches_all and n_neighbors > searched:
        msg = (
            f"The scorer {scorer} with scoring.n_neighbors = {n_neighbors} needs as many neighbours of every patch but "
            f"{searched} were kept: run from search_memory_bank on, for a calibration from the pipeline ldknn_density "
            f"on, with this scorer and scoring.max_neighbors."
        )
        raise InputError(msg)
    scores = chosen.score(neighborhoods, n_neighbors, alpha, form)
    return scores.astype(np.float32, copy=False)


def _of_patches(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    neighborhoods: Neighborhoods,
    n_neighbors: int,
    width: int | None = None,
) -> np.ndarray:
    """Apply a score of [patches, K] arrays to the K nearest rows of all patches, back on their grids."""
    found = neighborhoods.nearest
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
    """Apply ``score`` to so many rows at a time that ``width`` values of each stay below the bound (default: K)."""
    size = max(1, VALUES_PER_BLOCK // (width or rows.shape[1]))
    blocks = (slice(start, start + size) for start in range(0, len(rows), size))
    return np.concatenate([score(squared[block], rows[block]) for block in blocks])
