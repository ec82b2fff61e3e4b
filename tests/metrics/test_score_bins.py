import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reb_pipeline.metrics.score_bins import ScoreBins, _codes, choose_bins

SCORES = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 20)),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)  # fmt: skip


@given(SCORES, st.integers(0, 16))
def test_bins_keep_the_order_of_scores(scores, low_bits):
    bins = ScoreBins(np.full(2**16, low_bits, np.uint32), np.array([2**32 - 1], np.uint32))
    found = bins(scores).ravel()
    order = np.argsort(scores.ravel(), kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert found.min() >= 0
    assert found.max() < bins.count == 2 ** (16 + low_bits) + 1
    if low_bits == 16:  # one bin a float
        assert len(np.unique(found)) == len(np.unique(scores))


@given(
    st.floats(-1e6, 1e6, width=32).filter(lambda centre: abs(centre) > 1e-6),
    st.sampled_from([-1, 0.5, 1, 1.7, 2, 4]),
)
def test_measuring_from_a_centre_merges_no_scores(centre, place):
    around = np.array([centre * place], np.float32).view(np.int32) + np.arange(-500, 500)
    zeros = np.arange(-500, 500) * 1e-44  # and subnormal numbers
    scores = np.concatenate([around.astype(np.int32).view(np.float32), zeros.astype(np.float32)])
    scores = np.unique(scores + np.float32(0))
    codes = _codes(scores[None], centre)[0]
    assert (np.diff(codes) > 0).all()
    assert codes.min() >= 0


@given(SCORES, SCORES)
def test_bins_chosen_for_some_scores_keep_the_order_of_any(seen, other):
    bins = choose_bins([seen])
    scores = np.concatenate([seen.ravel(), other.ravel()])
    found = bins(scores[None]).ravel()
    assert (np.diff(found[np.argsort(scores, kind="stable")]) >= 0).all()
    assert 0 <= found.min() <= found.max() < bins.count


@pytest.mark.parametrize("scale", [1, 1e-6, 1e-12, -1e6])
def test_a_first_map_unlike_the_others_blurs_none_of_them(scale):
    """It decides what scores are measured from."""
    rng = np.random.default_rng(0)
    others = rng.normal(size=(4, 128, 128)).astype(np.float32) * np.float32(scale)
    bins = choose_bins([np.full((128, 128), 1e6, np.float32), *others])
    counts = np.bincount(np.ravel([bins(one) for one in others]), minlength=bins.count)
    assert counts.max() <= others.size / 1000


def test_bins_around_another_centre_are_others():
    maps = [np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)]
    assert choose_bins(maps) == choose_bins(maps)
    assert choose_bins(maps) != choose_bins(maps[::-1])


def test_the_two_zeros_are_one_score():
    bins = choose_bins([np.array([[-1, 0, 1]], np.float32)])
    assert len(np.unique(bins(np.array([[0.0, -0.0]], np.float32)))) == 1


@pytest.mark.parametrize("spread", [1e-3, 1, 15])
def test_the_number_of_bins_is_bounded_and_used(spread):
    rng = np.random.default_rng(0)
    maps = [np.exp(spread * rng.normal(size=(256, 256))).astype(np.float32) for _ in range(8)]
    bins = choose_bins(maps)
    assert bins.count <= 2**17 + 2**16 + 2**15
    counts = np.bincount(np.ravel([bins(m) for m in maps]), minlength=bins.count)
    assert counts.max() <= np.size(maps) / 1e4


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_highest_scores_are_told_apart(seed):
    rng = np.random.default_rng(seed)
    maps = rng.normal(rng.normal(), size=(5, 256, 256)).astype(np.float32)
    bins = choose_bins(maps)
    highest = np.unique(maps)[-(2**14) :]
    assert len(np.unique(bins(highest[None]))) == len(highest)


def test_refusals():
    with pytest.raises(ValueError, match="1 of 2 scores"):
        choose_bins([np.array([[0, np.inf]], np.float32)])
    with pytest.raises(ValueError, match="no anomaly maps"):
        choose_bins([])
