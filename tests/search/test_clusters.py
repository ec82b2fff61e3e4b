import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.search import clusters
from reb_pipeline.search.clusters import fit_clusters

KINDS = ["even", "clustered", "line", "duplicated", "constant", "outlier"]


def points(kind, rng, n, dimensions):
    """Points of one kind, float32 [n, dimensions]."""
    found = rng.normal(size=(n, dimensions)) + 3
    if kind == "clustered":
        found = 100 * rng.normal(size=(5, dimensions))[rng.integers(0, 5, n)] + 1e-3 * found
    if kind == "line":
        found = found[:, :1] * np.ones(dimensions)
    if kind == "duplicated":
        found = found[rng.integers(0, min(3, n), n)]
    if kind == "constant":
        found[:] = 1.5
    if kind == "outlier":
        found[0] *= 1e6
    return found.astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.data())
def test_bounds_of_clusters_are_never_above_the_distances(seed, kind, data):
    """Whatever the points, and whichever centre is taken for a query's own."""
    rng = np.random.default_rng(seed)
    scale = np.float32(10.0 ** data.draw(st.integers(-6, 6)))
    n, dimensions = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 20))
    found = scale * points(kind, rng, n, dimensions)
    queries = found[:20] + scale * np.float32(rng.normal(0, 0.3, (min(n, 20), dimensions)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "ROWS_PER_CLUSTER", data.draw(st.sampled_from([1, 4, 40])))
        patch.setattr(clusters, "AROUND", data.draw(st.sampled_from([1, 50, 256])))
        cut = fit_clusters(found)
    own = cut.nearest(queries)
    if data.draw(st.booleans()):
        own = rng.integers(0, len(cut.sizes), len(queries))
    bounds = cut.lower_bounds(queries, own)
    assert np.array_equal(np.sort(cut.order), np.arange(n))
    for cluster, (begin, end) in enumerate(zip(cut.edges[:-1], cut.edges[1:], strict=True)):
        of_cluster = found[cut.order[begin:end]].astype(np.float64)
        exact = np.linalg.norm(queries[:, None].astype(np.float64) - of_cluster, axis=2)
        assert (bounds[:, cluster, None] <= exact).all()
        assert len(set(cut.around[cluster])) == cut.around.shape[1] <= n


def test_points_around_a_centre_are_those_of_its_cluster_and_then_of_the_nearest():
    lengths = np.float32([[0, 1, 5], [1, 0, 4], [5, 4, 0]])
    around = clusters._around(lengths, np.array([0, 2, 3, 7]), 4)
    assert around.tolist() == [[0, 1, 2, 3], [2, 0, 1, 3], [3, 4, 5, 6]]
