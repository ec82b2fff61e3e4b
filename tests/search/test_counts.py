"""Speed without a clock: comparisons are counted, so that a loss is found on a busy machine too."""

import numpy as np
import pytest

from reb_pipeline.search import multi_step
from reb_pipeline.search.bounds import fit_short_space
from reb_pipeline.search.k_center import _farthest_first

SLACK = 1.1  # over what was counted when the bound was written


class Counted(np.ndarray):
    """Array that counts the multiplications of its products."""

    multiplications = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        def plain(arrays):
            return tuple(np.asarray(one) if isinstance(one, Counted) else one for one in arrays)

        if "out" in options:
            options["out"] = plain(options["out"])
        found = getattr(ufunc, method)(*plain(inputs), **options)
        if ufunc in (np.matmul, np.vecdot):
            Counted.multiplications += np.size(found) * inputs[0].shape[-1]
        return found.view(Counted) if isinstance(found, np.ndarray) else found


def manifold(n, channels=64, seed=0):
    """Features on eight directions, with noise, float32 [n, channels]."""
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(99).normal(size=(8, channels))
    noise = 0.1 * rng.normal(size=(n, channels))
    return (rng.normal(size=(n, 8)) @ axes + noise).astype(np.float32)


def decaying(n, seed=0):
    """Features whose variance falls along 200 directions as that of networks, float32 [n, 200]."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 200)) / np.arange(1, 201) ** 0.7).astype(np.float32)


def noise(n):
    """Features without leading directions, float32 [n, 200]."""
    return np.random.default_rng(0).normal(size=(n, 200)).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "n_select", "share"),
    [(manifold, 80, 0.61), (manifold, 800, 0.32), (decaying, 800, 0.30), (noise, 800, 0.40)],
)
def test_a_coreset_compares_few_of_all_pairs(make, n_select, share):
    """Along few directions first; features without leading directions soon do without."""
    features = make(8000)
    Counted.multiplications = 0
    rows = list(_farthest_first(features.view(Counted), n_select, 0))
    assert len(set(rows)) == n_select
    assert Counted.multiplications <= SLACK * share * features.size * n_select


@pytest.mark.parametrize(
    ("make", "bounded", "in_full"), [(manifold, 0.082, 0.00031), (decaying, 0.50, 0.0028)]
)
def test_a_search_compares_few_rows(monkeypatch, make, bounded, in_full):
    """Most clusters are left out, few rows of the others are compared in full."""
    pairs = {"bounded": 0, "in full": 0}
    near, compare = multi_step._near, multi_step.squared_distances

    def count_bounds(segment, block, upper, visited):
        pairs["bounded"] += int((visited @ segment.clusters.sizes).sum())
        return near(segment, block, upper, visited)

    def count_pairs(queries, bank, own, rows):
        pairs["in full"] += len(rows)
        return compare(queries, bank, own, rows)

    monkeypatch.setattr(multi_step, "_near", count_bounds)
    monkeypatch.setattr(multi_step, "squared_distances", count_pairs)
    bank = make(20000)
    queries = bank[::100] + 0.5 * make(200, seed=1)  # near the bank, as good patches are
    multi_step.MultiStepBank(bank, fit_short_space(bank)).search(queries, 1, None, slice(0, 0))
    n = len(bank) * len(queries)
    assert pairs["bounded"] <= SLACK * bounded * n
    assert pairs["in full"] <= SLACK * in_full * n
