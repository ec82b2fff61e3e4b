import json
import math
from dataclasses import replace

import numpy as np
import pytest

from reb_pipeline.calibration.record import (
    CALIBRATION_SPLIT,
    LEFT_OUT,
    TRAINING_IMAGES,
    Calibration,
)
from reb_pipeline.core.errors import InputError
from reb_pipeline.datasets import ArraysDataset


def make(n=29, rate=0.05, source=CALIBRATION_SPLIT):
    rng = np.random.default_rng(0)
    return Calibration(
        image_scores=rng.permutation(n).astype(np.float32),
        peak_scores=rng.permutation(n).astype(np.float32) + 100,
        image_ids=[str(i) for i in range(n)],
        false_alarm_rate=rate,
        source=source,
        alpha=1.0,
        coreset_fingerprint="a coreset",
        scoring={"scorer": "ldknn", "alpha": "auto", "area_threshold": None},
        mean_features=rng.normal(size=(n, 3)).astype(np.float32),
    )


def test_thresholds_and_p_values():
    calibration = make(n=39)
    assert calibration.n_images == 39
    assert calibration.is_promised
    assert calibration.image_threshold == 37  # of 40 exchangeable images two may be flagged
    assert calibration.pixel_threshold == 137
    np.testing.assert_array_equal(calibration.p_values([37, 37.5, 40]), [0.075, 0.05, 0.025])


def test_statement_counts():
    assert make().statement() == (
        "Of 29 good images that the bank has not seen, none is above the threshold; of 200 further good parts 6.7 are "
        "expected to be flagged, at most 21 (95 %)."
    )
    assert (
        make(n=39)
        .statement(40)
        .startswith(
            "Of 39 good images that the bank has not seen, 1 is above the threshold; of 40 further good parts 2.0 are"
        )
    )
    assert (
        "of the bank, each compared with the others only"
        in make(source=TRAINING_IMAGES).statement()
    )
    assert "Of 29 good images in /day/2, none" in make(source="/day/2").statement()


@pytest.mark.parametrize(
    ("n", "possible"),
    [(0, ""), (1, ", only one of 50 % or more"), (18, ", only one of 5.26 % or more")],
)
def test_what_cannot_be_promised_is_said(n, possible):
    calibration = make(n)
    assert calibration.image_threshold == calibration.pixel_threshold == math.inf
    assert not calibration.is_promised
    assert not calibration.can_flag
    assert not (calibration.p_values([1e9]) <= 0.05).any()
    assert calibration.statement() == (
        f"A false-alarm rate of 5 % cannot be promised with {n} good images that the bank has not seen{possible}: "
        f"at least 19 images are needed; so every part is undecided."
    )
    assert replace(calibration, false_alarm_rate=0.001).statement().count("999 images") == 1


@pytest.mark.parametrize("name", ["false_alarm_rate", "alpha"])
@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.05"])
def test_rate_and_alpha_are_finite_numbers(name, value):
    with pytest.raises(InputError, match=rf"{name} = .* is no finite number: run the pipeline"):
        replace(make(), **{name: value})


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5])
def test_a_rate_is_a_share(rate):
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        replace(make(), false_alarm_rate=rate)


@pytest.mark.parametrize("n", [0, 29])
def test_it_is_stored_whole(tmp_path, n):
    dataset = ArraysDataset(
        filepath=str(tmp_path / "calibration.npz"),
        record="reb_pipeline.calibration.record.Calibration",
    )
    calibration = make(n)
    dataset.save(calibration)
    loaded = dataset.load()
    for name in ("image_scores", "peak_scores", "mean_features"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(calibration, name))
        assert getattr(loaded, name).dtype == np.float32
    assert loaded.statement() == calibration.statement()
    assert loaded.scoring == calibration.scoring


def test_other_settings_of_scores_are_refused():
    calibration = make()
    calibration.check("a coreset", {"scorer": "ldknn", "alpha": "auto"}, 1.0)
    with pytest.raises(InputError, match=r"made with scoring.scorer = 'ldknn', not 'knn'"):
        calibration.check("a coreset", {"scorer": "knn"}, 1.0)


def test_a_setting_that_is_newer_than_a_calibration_refuses_nothing():
    make().check("a coreset", {"scorer": "ldknn", "top_share": 0.03}, 1.0)


@pytest.mark.parametrize(
    ("changes", "method", "guarantee", "sentence"),
    [
        ({}, "split", "proven", "(95 %)."),
        ({"source": "/day/2"}, "split", "proven", "(95 %)."),
        ({"source": LEFT_OUT}, "leave_one_out", "simulated", "No proof covers this rate, simulations do."),
        ({"source": LEFT_OUT, "fine_tuned": True}, "leave_one_out", "none", "the rate is not promised."),
        ({"chosen_by": ["the pipeline selection"]}, "split", "none", "asked for may be flagged."),
        ({"source": TRAINING_IMAGES}, "own_rows", "none", "run the pipeline calibration again."),
        ({"chosen_by": None, "fine_tuned": None}, "split", "none", "chosen with its images."),
    ],
)  # fmt: skip
def test_what_is_known_of_the_rate_is_said(changes, method, guarantee, sentence):
    calibration = replace(make(), **changes)
    assert (calibration.method, calibration.guarantee) == (method, guarantee)
    assert calibration.statement().endswith(sentence)
    facts = calibration.facts()
    assert (facts["method"], facts["guarantee"]) == (method, guarantee)
    assert facts["false_alarm_rate"] == 0.05


def test_too_few_images_have_no_guarantee():
    assert make(n=18).guarantee == "none"


def test_a_former_record_does_not_claim_what_it_does_not_know(tmp_path):
    """A file of format 2, which had no word on chosen settings."""
    calibration = make()
    arrays = {
        name: getattr(calibration, name)
        for name in ("image_scores", "peak_scores", "mean_features")
    }
    values = {
        name: getattr(calibration, name)
        for name in ("image_ids", "false_alarm_rate", "source", "alpha", "coreset_fingerprint", "scoring")
    }  # fmt: skip
    metadata = np.array(json.dumps({"format": 2, **values}))
    np.savez(tmp_path / "calibration.npz", **arrays, metadata=metadata)
    loaded = ArraysDataset(
        filepath=str(tmp_path / "calibration.npz"),
        record="reb_pipeline.calibration.record.Calibration",
    ).load()
    assert loaded.image_threshold == calibration.image_threshold
    assert loaded.guarantee == "none"
    assert "An older version made this calibration" in loaded.statement()


@pytest.mark.parametrize(
    ("name", "former", "new"),
    [("normalization", "none", "position"), ("anomaly_map", "score", "distance")],
)
def test_a_record_from_before_a_setting_has_scores_without_it(name, former, new):
    calibration = make()
    scoring = {**calibration.scoring, name: former}
    calibration.check("a coreset", scoring, alpha=1.0)
    with pytest.raises(InputError, match=f"{name} = '{former}', not '{new}'"):
        calibration.check("a coreset", {**scoring, name: new}, alpha=1.0)
