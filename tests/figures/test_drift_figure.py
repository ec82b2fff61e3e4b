import numpy as np

from reb_pipeline.calibration.drift import drift_report
from reb_pipeline.calibration.record import Calibration
from reb_pipeline.figures.drift import drift_figure

RNG = np.random.default_rng(0)
TIMES = [f"2026-01-01T00:00:{second:02}" for second in range(60)]


def draw(n_images, rate, scores, doubtful_rate=None):
    good = RNG.gamma(4, 1, n_images).astype(np.float32)
    features = RNG.normal(size=(n_images, 3)).astype(np.float32)
    ids = [str(index) for index in range(n_images)]
    calibration = Calibration(
        good,
        good,
        ids,
        rate,
        "a folder",
        0.0,
        "a coreset",
        {},
        features,
        doubtful_rate=doubtful_rate,
    )
    inspected = RNG.normal(size=(len(scores), 3))
    report = drift_report(calibration, scores, inspected, TIMES[: len(scores)], window=25)
    return drift_figure(report, calibration, scores, TIMES[: len(scores)], "Parts"), report


def test_parts_windows_threshold_and_band_are_drawn():
    scores = RNG.gamma(4, 1, 60)
    scores[7] = 40
    figure, report = draw(100, 0.05, scores)
    usual, flagged, psi, ks, shift, chance = figure.data
    assert len(usual.x) + len(flagged.x) == 60
    assert 8 in flagged.x  # parts are numbered from 1
    assert usual.marker.color != flagged.marker.color
    assert flagged.customdata[list(flagged.x).index(8)] == TIMES[7]
    assert list(psi.x) == [23, 48]  # the middles of parts 11 to 35 and 36 to 60
    assert list(ks.y) == [window["scores"]["ks"] for window in report["windows"]]
    assert list(shift.y) == [window["features"]["shift"] for window in report["windows"]]
    assert [trace.name for trace in (psi, chance)] == ["PSI beyond chance", "shift by chance"]
    assert list(psi.customdata[0]) == [TIMES[10], TIMES[34]]
    lines = {shape.name for shape in figure.layout.shapes}
    assert lines == {"calibration, middle 90 %", "threshold", "PSI 0.1", "PSI 0.25"}


def test_doubtful_parts_are_neither_flagged_nor_the_others():
    figure, _ = draw(99, 0.05, RNG.gamma(4, 1, 60), doubtful_rate=0.5)
    names = [one.name.split(" (")[0] for one in figure.data[:3]]
    assert names == ["not flagged", "doubtful", "flagged"]
    assert sum(len(one.x) for one in figure.data[:3]) == 60
    assert len(figure.data[1].x) > 0
    assert "threshold of doubtful parts" in {shape.name for shape in figure.layout.shapes}


def test_without_windows_and_without_a_threshold():
    figure, _ = draw(30, 0.001, RNG.gamma(4, 1, 20))
    assert [trace.name for trace in figure.data] == ["undecided (20)", "flagged (0)"]
    assert [shape.name for shape in figure.layout.shapes] == ["calibration, middle 90 %"]
