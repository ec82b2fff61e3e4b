"""Two rates give two thresholds, between which parts are doubtful."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.calibration.conformal import p_values
from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.calibration.verdicts import verdict_of
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import write_record
from reb_pipeline.datasets import ArraysDataset
from reb_pipeline.parameters.sections import CalibrationParams

RATES = st.floats(0.001, 0.999)
ANY = st.floats(width=32)


def make(scores, rate=0.05, doubtful_rate=None):
    scores = np.asarray(scores, np.float32)
    return Calibration(
        image_scores=scores, peak_scores=scores, image_ids=[str(i) for i in range(len(scores))],
        false_alarm_rate=rate, source=CALIBRATION_SPLIT, alpha=1.0, coreset_fingerprint="c", scoring={},
        mean_features=np.zeros((len(scores), 2), np.float32), doubtful_rate=doubtful_rate,
    )  # fmt: skip


@given(score=ANY, threshold=ANY, lower=st.none() | ANY)
def test_doubt_only_takes_from_what_is_called_good(score, threshold, lower):
    before, after = verdict_of(score, threshold), verdict_of(score, threshold, lower)
    if before != "good" or lower is None:
        assert after == before
    else:
        assert after == ("good" if score <= lower else "doubtful")


@given(
    scores=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    rates=st.tuples(RATES, RATES).map(sorted),
)
def test_verdicts_are_those_of_the_p_values(scores, rates):
    calibration = make(scores, *rates)
    parts = np.arange(-1, 33) / 1.0
    for score, p_value in zip(parts, p_values(parts, scores), strict=True):
        verdict = verdict_of(score, calibration.image_threshold, calibration.doubtful_threshold)
        if not calibration.can_flag:
            assert (verdict, calibration.doubtful_threshold) == ("undecided", None)
            continue
        low, high = (rate + 1e-12 for rate in rates)
        expected = "defective" if p_value <= low else "doubtful" if p_value <= high else "good"
        assert verdict == expected


def test_a_rate_below_that_of_false_alarms_is_refused():
    calibration = make(range(99), doubtful_rate=0.1)
    with pytest.raises(InputError, match=r"10 % cannot be used with a false-alarm rate of 20 %"):
        replace(calibration, false_alarm_rate=0.2)
    with pytest.raises(InputError, match=r"of nan|no finite number"):
        replace(calibration, doubtful_rate=float("nan"))
    with pytest.raises(ValueError, match=r"doubtful_rate = 0.01 is below false_alarm_rate = 0.05"):
        CalibrationParams(false_alarm_rate=0.05, doubtful_rate=0.01, folder=None)
    same = replace(calibration, false_alarm_rate=0.1)  # nothing lies between
    assert same.doubtful_threshold == same.image_threshold


def test_the_statement_counts_second_looks():
    plain, doubtful = make(range(99)), make(range(99), doubtful_rate=0.1)
    assert doubtful.statement() == (
        f"{plain.statement()} Between 5 % and 10 % parts are doubtful: 20.0 of the 200 are expected to be doubtful or "
        "flagged, at most 33 (95 %)."
    )
    assert doubtful.facts() == {**plain.facts(), "doubtful_rate": 0.1}
    assert not doubtful.is_same(plain)
    assert "doubtful from 10 % on" in doubtful.origin


def test_a_record_of_the_format_before_calls_no_part_doubtful(tmp_path):
    path = tmp_path / "calibration.npz"
    with path.open("wb") as file:
        write_record(make(range(39)), file)
    members = dict(np.load(path))
    metadata = json.loads(members["metadata"].item())
    assert metadata.pop("format") == 6
    del metadata["doubtful_rate"], metadata["views"]
    np.savez(path, **{**members, "metadata": np.array(json.dumps({"format": 4, **metadata}))})
    record = "reb_pipeline.calibration.record.Calibration"
    loaded = ArraysDataset(filepath=str(path), record=record).load()
    assert loaded.doubtful_threshold is None
    assert loaded.image_threshold == 37


def test_equal_rates_leave_no_doubt_to_state():
    assert "doubtful" not in make(range(39), 0.1, doubtful_rate=0.1).statement()


def test_images_that_the_threshold_rests_on_alone_are_named():
    scores = np.linspace(1, 2, 19)
    assert make(scores).about_odd_images() == ""
    scores[7] = 3.6  # of the median 1.5, the next one is 2
    found = make(scores).about_odd_images()
    assert (
        "rests on 1 of 19 good images, '7': the next one scores 2, the median 1.556. Look at it"
        in found
    )
    assert make(scores, 0.1).about_odd_images() == ""  # the threshold is the second score
    assert make(scores[:9]).about_odd_images() == ""  # too few for a threshold
    assert make(np.ones(19)).about_odd_images() == ""
