"""Clusters of a bank, most of which are proven to hold no near row."""

from dataclasses import dataclass

import numpy as np

from reb_pipeline.search.bounds import SLACK

ROWS_PER_CLUSTER = 64
ROUNDS = 2  # of k-means; more make the bounds hardly tighter
TRAINED = 8  # points a cluster that k-means learns from
AROUND = 256  # points


@dataclass(frozen=True)
class Clusters:
    """Partition of points by the nearest of some centres, with lower bounds of the distances to a cluster's points.

    Let a be the centre nearest to a query q, and u the unit vector from a to the centre c of another cluster. Then
    |q − b| ≥ u·b − u·q for every point b of that cluster, and the least u·b of its points is known. This holds for any
    centres.

    Attributes:
        centres: float32 [clusters, dimensions].
        order: Numbers of the points cluster by cluster, ascending in each, int64 [points].
        edges: Positions in ``order`` at which clusters begin, and the number of points, int64 [clusters + 1].
        lowest: Least product of a point of the cluster c with the vector from a to c, lowered for rounding, float32
            [clusters (a), clusters (c)].
        lengths: Lengths of these vectors, raised for rounding, float32 [clusters (a), clusters (c)], never 0.
        around: Positions in ``order`` of points of the cluster a, then of the clusters nearest to it, int32
            [clusters (a), at most AROUND].
    """

    centres: np.ndarray
    order: np.ndarray
    edges: np.ndarray
    lowest: np.ndarray
    lengths: np.ndarray
    around: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Number of points of each cluster, int64 [clusters]."""
        return np.diff(self.edges)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """Find the nearest centre of each point, int64 [points]."""
        return (points @ self.centres.T - _squared(self.centres) / 2).argmax(axis=1)

    def lower_bounds(self, points: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Compute lower bounds of the distances to the points of every cluster.

        Args:
            points: float32 [points, dimensions].
            own: Nearest centre of each, see :meth:`nearest`.

        Returns:
            float32 [points, clusters]; a negative bound is valid but useless.
        """
        along = points @ self.centres.T
        here = np.take_along_axis(along, own[:, None], axis=1)
        bounds = self.lowest[own]
        bounds -= along
        bounds += here - np.float32(SLACK) * _squared(points)[:, None]
        bounds /= self.lengths[own]
        return bounds


def fit_clusters(points: np.ndarray) -> Clusters:
    """Partition points by k-means (Lloyd, 1982).

    Args:
        points: float32 [points, dimensions], finite.
    """
    import faiss  # half a second to import

    n_clusters = max(1, len(points) // ROWS_PER_CLUSTER)
    points = np.ascontiguousarray(points)
    means = faiss.Kmeans(
        points.shape[1],
        n_clusters,
        niter=ROUNDS,
        seed=0,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINED,
    )
    means.train(points)
    centres = np.asarray(means.centroids)
    nearest = means.index.search(points, 1)[1][:, 0]
    order = np.argsort(nearest, kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=n_clusters))])
    norms = _squared(centres)
    squared = np.float32(1 + SLACK) * (norms[:, None] + norms) - 2 * (centres @ centres.T)
    lengths = np.sqrt(np.maximum(squared, np.finfo(np.float32).tiny))
    lowest = np.full((n_clusters, n_clusters), np.inf, np.float32)
    for cluster in range(n_clusters):
        own = points[order[edges[cluster] : edges[cluster + 1]]]
        if len(own):
            along = own @ centres.T
            rounding = np.float32(SLACK) * (_squared(own).max() + norms[cluster] + norms)
            lowest[:, cluster] = (along[:, cluster, None] - along).min(axis=0) - rounding
    around = _around(lengths, edges, min(AROUND, len(points)))
    return Clusters(centres, order, edges, lowest, lengths, around)


def _around(lengths: np.ndarray, edges: np.ndarray, n_points: int) -> np.ndarray:
    around = np.empty((len(lengths), n_points), np.int32)
    sizes, positions = np.diff(edges), np.arange(edges[-1])
    for cluster, others in enumerate(np.argsort(lengths, axis=1, kind="stable")):
        n_clusters = 1 + int(np.searchsorted(np.cumsum(sizes[others]), n_points))
        ranges = [positions[edges[one] : edges[one + 1]] for one in others[:n_clusters]]
        around[cluster] = np.concatenate(ranges)[:n_points]
    return around


def _squared(points: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", points, points)
