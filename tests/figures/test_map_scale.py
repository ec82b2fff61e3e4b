"""One scale for the maps of a figure: good parts are calm, defects are visible, and the legend names the threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reb_pipeline.figures.map_scale import MapScale

NUMBERS = st.integers(-(10**6), 10**6).map(lambda number: number / 100)
MAPS = st.lists(st.lists(NUMBERS, min_size=1).map(lambda a: np.array(a, np.float32)), min_size=1)
GOOD = np.linspace(0, 2, 10001, dtype=np.float32)


@given(st.one_of(st.just([]), MAPS), MAPS, st.one_of(st.none(), NUMBERS))
def test_threshold_is_in_the_middle_and_brighter_is_higher(good, drawn, threshold):
    scale = MapScale.of(good, drawn, threshold)
    assert scale.low < scale.threshold < scale.high
    if threshold is not None:
        assert scale.threshold == threshold
    values = np.sort(np.concatenate(drawn)).astype(np.float64)
    shares = np.ma.getdata(scale.norm(values)).clip(0)
    assert (np.diff(shares) >= 0).all()
    np.testing.assert_array_equal(shares > 0.5, values > scale.threshold)
    assert shares.max() <= 1


def test_half_of_the_good_pixels_are_black_whatever_the_defects_are():
    for defect in (5.0, 4000.0):
        scale = MapScale.of([GOOD], [np.array([defect])], pixel_threshold=3.0)
        assert (scale.low, scale.threshold, scale.high) == pytest.approx((1.0, 3.0, defect))
        assert np.ma.getdata(scale.norm(GOOD)).max() < 0.5


def test_a_faint_defect_is_told_from_good_parts_beside_a_strong_one():
    scale = MapScale.of([GOOD], [np.array([4000.0])], pixel_threshold=3.0)
    assert scale.norm(3.01) - scale.norm(1.5) > 0.3


def test_without_a_threshold_it_is_where_99_9_percent_of_the_good_pixels_are():
    scale = MapScale.of([GOOD], [np.array([9.0])])
    assert scale.threshold == pytest.approx(np.quantile(GOOD, 0.999))


@pytest.mark.parametrize(
    ("scale", "label", "ticks"),
    [
        (MapScale(1.0, 2.0, 5.0, True), "of the threshold of pixels", ["0.5 ×", "0.75 ×", "1 ×", "1.5 ×", "2 ×"]),
        (MapScale(1.0, 1.5, 2.0), "of the 99.9 % quantile of good", ["0.75 ×", "1 ×"]),
    ],
)  # fmt: skip
def test_legend_counts_in_thresholds(scale, label, ticks):
    figure = Figure()
    scale.draw_legend(figure, np.array([figure.subplots()]))
    bar = figure.axes[1]
    assert label in bar.get_ylabel()
    assert [tick.get_text() for tick in bar.get_yticklabels()] == ticks


def test_legend_of_a_threshold_that_is_not_positive_gives_scores():
    figure = Figure()
    MapScale(-3.0, -1.0, 7.0, True).draw_legend(figure, np.array([figure.subplots()]))
    assert figure.axes[1].get_ylabel() == "score (middle: threshold of pixels)"
