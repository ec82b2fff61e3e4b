"""Found and missed parts at a threshold that was fixed before."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reb_pipeline.metrics.at_threshold import (
    CONFIDENCE,
    at_threshold,
    flagged_share,
    share_text,
    unlike_calibration,
)


def make_scores(scores, kinds):
    return pd.DataFrame({
        "image_score": np.array(scores, float), "defect_type": kinds,
        "label": [int(kind != "good") for kind in kinds],
    })  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["good", "dent", "hole"])),
        min_size=1,
        max_size=30,
    ),
    st.integers(-1, 10),
)
def test_counts_agree_with_a_plain_loop(images, threshold):
    report = at_threshold(make_scores(*zip(*images, strict=True)), threshold, 0.05, 59)

    def count(wanted):
        scores = [score for score, kind in images if wanted(kind)]
        flagged = sum(score > threshold for score in scores)
        return (len(scores), flagged, len(scores) - flagged) if scores else None

    def found(share):
        return share and (share["images"], share["flagged"], share["passed"])

    assert found(report["false_alarms"]) == count(lambda kind: kind == "good")
    assert found(report["found"]) == count(lambda kind: kind != "good")
    kinds = {kind for _, kind in images} - {"good"}
    assert report["per_defect_type"].keys() == kinds
    for kind in kinds:
        assert found(report["per_defect_type"][kind]) == count(
            lambda other, kind=kind: other == kind
        )
    assert json.loads(json.dumps(report)) == report


def test_a_score_at_the_threshold_passes_and_one_that_is_no_number_does_not():
    scores = make_scores([0.5, np.nextafter(0.5, 1), math.nan], ["dent"] * 3)
    assert at_threshold(scores, 0.5, 0.05, 59)["found"]["flagged"] == 2


def test_without_a_threshold_nothing_is_known():
    report = at_threshold(make_scores([1, 2, 3], ["good", "dent", "hole"]), math.inf, 0.02, 17)
    assert report == {
        "threshold": None, "false_alarm_rate": 0.02, "calibration_images": 17,
        "false_alarms": None, "found": None, "per_defect_type": {"dent": None, "hole": None},
    }  # fmt: skip


@pytest.mark.parametrize("images", [1, 5, 14, 40, 313])
def test_intervals_cover_at_least_their_confidence(images):
    """Exactly, by the binomial distribution; the normal interval of 20 of 20 would have no width."""
    shares = [flagged_share(flagged, images) for flagged in range(images + 1)]
    for true in (0.01, 0.05, 0.5, 0.8, 0.99):
        chances = stats.binom(images, true).pmf(range(images + 1))
        covers = [share["low"] <= true <= share["high"] for share in shares]
        assert chances[covers].sum() >= CONFIDENCE
    assert shares[-1]["low"] < 1
    assert shares[-1]["high"] == 1


def test_text_of_a_share_is_in_percent():
    assert share_text(flagged_share(20, 20)) == "20 of 20: 100.00 % (83.16–100.00)"


@pytest.mark.parametrize(("flagged", "rate"), [(3, 0.02), (3, 0.05), (0, 0.02), (20, 0.2)])
def test_flags_beyond_the_rate_and_chance_are_told(flagged, rate):
    """Exactly where a test of 2.5 % rejects that the rate holds for the test images."""
    report = {"false_alarm_rate": rate, "false_alarms": flagged_share(flagged, 20)}
    is_unlikely = stats.binom(20, rate).sf(flagged - 1) < (1 - CONFIDENCE) / 2
    assert bool(unlike_calibration(report)) == is_unlikely
    assert unlike_calibration({**report, "false_alarms": None}) == unlike_calibration(None) == ""
