"""No drift is called so at the rate stated, drift is found, and defects are told from it."""

import json
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

from reb_pipeline.calibration.drift import (
    FEWEST,
    LEVEL,
    TEST_LEVEL,
    drift_report,
    energy_test,
    population_stability_index,
)
from reb_pipeline.calibration.record import Calibration

CHANNELS = 6
REPORTS = 60


def parts(rng, n, shift=0.0, defects=0):
    """Scores and features of parts; the scores depend on the features, defects have high ones."""
    features = rng.normal(size=(n, CHANNELS)) + shift
    scores = np.abs(features).mean(axis=1) + rng.normal(0, 0.1, n)
    scores[rng.permutation(n)[:defects]] += 5
    return scores.astype(np.float32), features.astype(np.float32)


def calibration_of(rng, n=100, rate=0.05):
    scores, features = parts(rng, n)
    ids = [str(index) for index in range(n)]
    return Calibration(scores, scores, ids, rate, "a folder", 1.0, "a coreset", {}, features)


def report_on(rng, n, calibration=None, window=50, **how):
    scores, features = parts(rng, n, **how)
    times = [f"2026-01-01T00:{i // 60:02}:{i % 60:02}" for i in range(n)]
    return drift_report(calibration or calibration_of(rng), scores, features, times, window)


@pytest.mark.parametrize("rate", [0.05, 0.001])  # the second cannot be promised with 60 images
def test_parts_that_have_not_drifted_are_fine_at_the_rate_stated(rate):
    rng = np.random.default_rng(0)
    reports = [report_on(rng, 80, calibration_of(rng, 60, rate), window=40) for _ in range(REPORTS)]
    verdicts = Counter(report["verdict"] for report in reports)
    assert set(verdicts) <= {"fine", "watch", "recalibrate"}
    assert REPORTS - verdicts["fine"] <= binom.ppf(0.999, REPORTS, LEVEL)
    for name in ("scores", "features", "flagged"):  # each at a level that so many reports can show
        found = sum(report[name]["p_value"] < 0.1 for report in reports)
        assert found <= binom.ppf(0.999, REPORTS, 0.1)


def test_where_nothing_can_be_flagged_no_part_is_said_to_be_below_a_threshold():
    rng = np.random.default_rng(0)
    report = report_on(rng, 80, calibration_of(rng, 60, rate=0.001))
    assert report["verdict"] == "fine"
    assert report["reasons"] == [
        "Scores and features of all parts, none of which could be flagged, are those of the calibration, as far as 80 "
        "parts and 60 calibration images tell."
    ]


def test_a_score_that_is_no_number_is_flagged():
    rng = np.random.default_rng(0)
    scores, features = parts(rng, 80)
    calibration = calibration_of(rng)
    usual = drift_report(calibration, scores, features, ["now"] * 80)["flagged"]["count"]
    scores[np.flatnonzero(scores < calibration.image_threshold)[0]] = np.nan
    broken = drift_report(calibration, scores, features, ["now"] * 80)["flagged"]["count"]
    assert broken == usual + 1


def test_a_shift_is_found_and_named():
    rng = np.random.default_rng(0)
    report = report_on(rng, 200, shift=1.0)
    assert report["verdict"] == "recalibrate"
    assert report["features"]["shift"] > 0.3
    assert report["features"]["p_value"] < TEST_LEVEL
    assert any("features of unflagged parts have moved" in reason for reason in report["reasons"])
    assert any("parts are flagged where" in reason for reason in report["reasons"])


def test_lower_scores_are_drift_too():
    rng = np.random.default_rng(0)
    calibration = calibration_of(rng)
    scores, features = parts(rng, 200)
    report = drift_report(calibration, scores / 2, features, ["now"] * 200)
    assert report["verdict"] == "recalibrate"
    assert report["scores"]["psi"] - report["scores"]["psi_by_chance"] > 0.25
    assert report["flagged"]["count"] == 0
    assert len(report["reasons"]) == 1


def test_where_all_parts_are_flagged_there_is_nothing_to_compare():
    rng = np.random.default_rng(0)
    report = report_on(rng, 60, shift=5.0)
    assert report["verdict"] == "recalibrate"
    assert report["scores"] is report["features"] is None
    assert report["flagged"]["count"] == 60


def test_what_is_new_shows_in_the_newest_window():
    rng = np.random.default_rng(0)
    calibration = calibration_of(rng)
    scores, features = parts(rng, 450)
    features[-50:] += 0.6
    whole = drift_report(calibration, scores, features, ["now"] * 450, window=450)
    report = drift_report(calibration, scores, features, ["now"] * 450, window=50)
    assert whole["verdict"] == "fine"
    assert report["verdict"] == "watch"  # the scores are as ever
    assert report["reasons"][0] == "Of the last 50 parts alone:"
    assert report["features"] == whole["features"]


def test_defects_are_no_drift():
    rng = np.random.default_rng(3)
    report = report_on(rng, 300, defects=60)
    assert report["verdict"] == "watch"
    (reason,) = report["reasons"]
    assert reason.startswith(f"{report['flagged']['count']} of 300 parts are flagged")
    assert "real defects, or the process has drifted" in reason
    few = report_on(np.random.default_rng(3), 300, defects=3)
    assert few["verdict"] == "fine"


def test_too_few_parts_give_no_verdict():
    rng = np.random.default_rng(0)
    report = report_on(rng, FEWEST - 1)
    assert report["verdict"] == "too few parts"
    assert f"{FEWEST - 1} parts" in report["reasons"][0]
    assert f"at least {FEWEST}" in report["reasons"][0]
    few_images = report_on(rng, 100, calibration_of(rng, FEWEST - 1))
    assert few_images["verdict"] == "too few parts"


def test_report_is_json_with_windows_that_end_with_the_last_part():
    report = report_on(np.random.default_rng(0), 130, window=40)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    windows = report["windows"]
    assert [(one["begin"], one["end"]) for one in windows] == [(10, 50), (50, 90), (90, 130)]
    assert (windows[0]["first"], windows[-1]["last"]) == ("2026-01-01T00:00:10", report["last"])
    assert sum(one["flagged"]["count"] for one in windows) <= report["flagged"]["count"]
    assert report["parts"] == 130
    assert report["calibration_images"] == 100
    assert report_on(np.random.default_rng(0), 30, window=40)["windows"] == []


def test_psi_is_its_formula():
    reference = np.arange(100.0)  # ten values a decile
    sample = np.array([5.0] * 30 + [95.0] * 10)
    share = np.array([30.5, *[0.5] * 8, 10.5]) / 45
    expected = ((share - 0.1) * np.log(share / 0.1)).sum()
    assert population_stability_index(reference, sample) == pytest.approx(expected)
    assert population_stability_index(reference, reference) == 0


def test_psi_by_chance_is_about_what_it_is():
    rng = np.random.default_rng(0)
    found = [
        population_stability_index(rng.normal(size=200), rng.normal(size=100)) for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(9 * (1 / 200 + 1 / 100), rel=0.2)


def test_energy_test_is_its_formula():
    """With one value on one side every permutation can be written out."""
    values = np.array([[0.0], [1.0], [3.0], [10.0]])

    def energy(alone):
        others = np.delete(values, alone, axis=0)
        within = np.abs(others - others.T).mean()
        return 2 * np.abs(others - values[alone]).mean() - within

    as_far = np.mean([energy(i) >= energy(3) for i in range(4)])
    assert energy_test(values[:3], values[3:]) == pytest.approx(as_far, abs=0.05)
    assert energy_test(np.zeros((30, 2)), np.zeros((20, 2))) == 1
