import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.search.bounds import ShortSpace, fit_short_space


def low_rank(rng, n_rows, channels, rank, noise=0.05):
    features = rng.normal(size=(n_rows, rank)) @ rng.normal(size=(rank, channels))
    return (features + noise * rng.normal(size=features.shape) + 3).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_bounds_are_never_above_the_distances(seed, data):
    """Whatever the directions, the origin and the lengths of the features."""
    rng = np.random.default_rng(seed)
    channels = data.draw(st.integers(2, 60))
    n_directions = data.draw(st.integers(1, channels))
    scale = 10.0 ** data.draw(st.integers(-12, 12))
    near = 10.0 ** data.draw(st.integers(-6, 0))
    bank = low_rank(rng, 50, channels, 3) * np.float32(scale)
    bank[0] *= 1000  # an outlier
    queries = bank[:20] + (near * scale * rng.normal(size=(20, channels))).astype(np.float32)
    directions = np.linalg.qr(rng.normal(size=(channels, n_directions)))[0].astype(np.float32)
    space = ShortSpace(bank[data.draw(st.integers(0, 49))], directions)
    short, terms = space.queries(queries)
    exact = ((queries[:, None].astype(np.float64) - bank) ** 2).sum(axis=2)
    bounds = short @ space.rows(bank).T + terms[:, None]
    assert (bounds <= exact).all()


def test_bounds_are_close_where_directions_hold_the_variance():
    features = low_rank(np.random.default_rng(0), 3000, 100, 10)
    space = fit_short_space(features)
    assert 1 <= space.directions.shape[1] <= 10
    gram = space.directions.T @ space.directions
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)
    short, terms = space.queries(features[:50])
    bounds = short @ space.rows(features).T + terms[:, None]
    exact = ((features[:50, None] - features) ** 2).sum(axis=2)
    assert np.median(bounds[exact > 0] / exact[exact > 0]) > 0.9


def test_rows_are_made_block_by_block(monkeypatch):
    features = low_rank(np.random.default_rng(0), 50, 8, 2)
    space = fit_short_space(features)
    whole = space.rows(features)
    monkeypatch.setattr("reb_pipeline.search.bounds.ROWS_PER_BLOCK", 7)
    np.testing.assert_allclose(space.rows(features), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [8, 60, 384])
def test_white_noise_has_no_short_space(channels):
    assert fit_short_space(np.random.default_rng(0).normal(size=(2000, channels))) is None


def test_constant_features_have_some_space():
    space = fit_short_space(np.full((100, 30), 2.5, np.float32))
    assert space is None or np.isfinite(space.directions).all()
