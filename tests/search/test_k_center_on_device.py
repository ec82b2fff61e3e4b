import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from reb_pipeline.search import k_center_on_device as coreset_on_device
from reb_pipeline.search.k_center import greedy_k_center
from reb_pipeline.search.k_center_on_device import plain_greedy

# Whole numbers: their squared norms and products are exact, so that ties are ties.
POINTS = npst.arrays(
    np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=st.integers(-5, 5)
)


@settings(max_examples=60, deadline=None)
@given(POINTS, st.integers(0, 99), st.data())
def test_equals_the_lazy_selection(features, seed, data):
    n_select = data.draw(st.integers(1, len(features)))
    lazy = greedy_k_center(features, n_select, seed)
    plain = plain_greedy(features, n_select, int(lazy[0]), "cpu")
    assert plain.dtype == np.int64
    assert plain.tolist() == lazy.tolist()


def test_more_rows_than_are_reported_at_once(monkeypatch):
    monkeypatch.setattr(coreset_on_device, "STEPS_PER_REPORT", 7)
    features = np.random.default_rng(0).integers(0, 9, (300, 4)).astype(np.float32)
    lazy = greedy_k_center(features, 100, seed=0)
    assert plain_greedy(features, 100, int(lazy[0]), "cpu").tolist() == lazy.tolist()


def test_features_that_cannot_be_written():
    features = np.random.default_rng(0).random((50, 4), np.float32)
    features.flags.writeable = False
    assert len(set(plain_greedy(features, 50, 3, "cpu").tolist())) == 50


@pytest.mark.gpu
def test_on_a_gpu_as_on_the_processor():
    features = np.random.default_rng(0).integers(0, 99, (20_000, 64)).astype(np.float32)
    on_gpu = greedy_k_center(features, 1000, 0, device="cuda")
    assert on_gpu.tolist() == greedy_k_center(features, 1000, 0).tolist()
