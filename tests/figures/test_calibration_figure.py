import numpy as np
import pytest

from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.figures.calibration import calibration_figure
from reb_pipeline.figures.curves import GOOD_COLOUR


def draw(n, rate=0.05, doubtful_rate=None):
    scores = np.random.default_rng(0).normal(size=(2, n)).astype(np.float32)
    ids = [str(i) for i in range(n)]
    features = np.zeros((n, 2), np.float32)
    calibration = Calibration(
        *scores, ids, rate, CALIBRATION_SPLIT, 0.0, "a coreset", {}, features,
        doubtful_rate=doubtful_rate,
    )  # fmt: skip
    return calibration, calibration_figure(calibration, "Calibration")


def test_every_image_is_in_both_histograms_and_thresholds_are_marked():
    calibration, figure = draw(60)
    bars, line, peak_bars, peak_line = figure.data
    for histogram, scores in (
        (bars, calibration.image_scores),
        (peak_bars, calibration.peak_scores),
    ):
        assert sum(histogram.y) == 60
        assert histogram.marker.color == GOOD_COLOUR
        halves = np.array(histogram.width) / 2
        assert (histogram.x - halves).min() == pytest.approx(scores.min(), rel=1e-5)
        assert (histogram.x + halves).max() == pytest.approx(scores.max(), rel=1e-5)
    assert list(line.x) == [calibration.image_threshold] * 2
    assert list(peak_line.x) == [calibration.pixel_threshold] * 2
    assert line.name == f"threshold of the image score: {calibration.image_threshold:.4g}, for 5 %"
    assert line.line.dash != peak_line.line.dash
    assert line.line.color != GOOD_COLOUR


def test_the_threshold_of_doubtful_parts_is_a_line_of_its_own():
    calibration, figure = draw(60, doubtful_rate=0.2)
    (line,) = (one for one in figure.data if "doubtful" in one.name)
    assert list(line.x) == [calibration.doubtful_threshold] * 2
    assert line.name.endswith("for 20 %")


@pytest.mark.parametrize("n", [0, 3])
def test_without_a_threshold_the_legend_says_so(n):
    _, figure = draw(n)
    for line in (figure.data[1], figure.data[3]):
        assert list(line.x) == [None]
        assert line.name.endswith("none: 5 % needs more images")


def test_scores_that_differ_by_rounding_are_drawn():
    scores = np.float32(39.47) + np.float32(4e-6) * np.arange(20, dtype=np.float32)
    features = np.zeros((20, 2), np.float32)
    ids = [str(i) for i in range(20)]
    of_copies = Calibration(
        scores, scores, ids, 0.05, CALIBRATION_SPLIT, 0.0, "a coreset", {}, features
    )
    assert sum(calibration_figure(of_copies, "Calibration").data[0].y) == 20
