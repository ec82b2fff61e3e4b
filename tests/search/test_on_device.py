import numpy as np
import pytest

from reb_pipeline.search import on_device
from reb_pipeline.search.flat import nearest_of_all
from reb_pipeline.search.index import NeighborIndex
from reb_pipeline.search.on_device import DeviceBank

NOTHING = slice(0, 0)
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    return request.param


def make(n_queries=50, n_rows=700, channels=48, scale=1.0):
    rng = np.random.default_rng(0)
    everything = rng.normal(size=(n_queries + n_rows, 6)) @ rng.normal(size=(6, channels))
    everything = scale * (everything + 0.3 * rng.normal(size=everything.shape)) + 5 * scale
    return np.split(everything.astype(np.float32), [n_queries])


def assert_exact(found, queries, bank, k, without=NOTHING):
    expected = ((queries[:, None].astype(np.float64) - bank) ** 2).sum(axis=2)
    expected[:, without] = np.inf
    assert (found[0].dtype, found[1].dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(found[0], np.sort(expected, axis=1)[:, :k], rtol=1e-5)
    near = np.take_along_axis(expected, found[1], axis=1)
    np.testing.assert_allclose(near, found[0], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
@pytest.mark.parametrize("k", [1, 9])
def test_equals_brute_force_at_every_scale(device, k, scale):
    """Half precision ends at 65504 and at 6e-8; directions do not."""
    queries, bank = make(scale=scale)
    bank[5] *= 100
    assert_exact(DeviceBank(bank, device).search(queries, k, None, NOTHING), queries, bank, k)


def test_rows_are_left_out(device):
    queries, bank = make()
    for without in (slice(0, 100), slice(300, 650), slice(10, 700)):
        k = min(5, 700 - without.stop + without.start)
        found = DeviceBank(bank, device).search(queries, k, None, without)
        assert_exact(found, queries, bank, k, without)


def test_blocks_change_nothing(device, monkeypatch):
    queries, bank = make()
    whole = DeviceBank(bank, device).search(queries, 3, None, NOTHING)
    monkeypatch.setattr(on_device, "BOUNDS_AT_ONCE", 7 * len(bank))
    monkeypatch.setattr(on_device, "FLOATS_AT_ONCE", 1)
    monkeypatch.setattr(on_device, "ROWS_PER_BLOCK", 100)
    cut = DeviceBank(bank, device).search(queries, 3, None, NOTHING)
    np.testing.assert_array_equal(cut[1], whole[1])
    np.testing.assert_allclose(cut[0], whole[0], rtol=1e-5)


def test_distances_on_the_host_where_the_bank_does_not_fit(device, monkeypatch):
    queries, bank = make()
    monkeypatch.setattr(DeviceBank, "_fits", lambda *_: False)
    assert_exact(DeviceBank(bank, device).search(queries, 4, None, NOTHING), queries, bank, 4)


def test_near_duplicates_are_searched_again(device, monkeypatch):
    """Half precision cannot tell them apart, so there is no proof for the shortlist."""
    again = []

    def compare(queries, *given, **named):
        again.append(len(queries))
        return nearest_of_all(queries, *given, **named)

    monkeypatch.setattr(on_device, "nearest_of_all", compare)
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(4, 48)), 200, axis=0)
    bank = (centres + 1e-3 * rng.normal(size=centres.shape)).astype(np.float32)
    queries = bank[::10] + np.float32(1e-4)
    found = DeviceBank(bank, device).search(queries, 3, None, NOTHING)
    assert again == [80]
    assert_exact(found, queries, bank, 3)


@pytest.mark.gpu
def test_index_searches_on_the_device():
    queries, bank = make()
    assert_exact(NeighborIndex(bank, device="cuda").search(queries, 4), queries, bank, 4)
