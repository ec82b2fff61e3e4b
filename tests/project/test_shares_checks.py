"""Before a run it is said whether there are enough good images, and refused what needs more."""

from types import SimpleNamespace

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.sections import CalibrationParams
from reb_pipeline.project import shares_checks
from reb_pipeline.project.shares_checks import check_shares


def check(monkeypatch, train, calibration, rate, outputs):
    """Check a category with so many good images, of which a run makes some outputs."""
    monkeypatch.setattr(shares_checks, "categories", lambda: ["bolt"])
    params = CalibrationParams(false_alarm_rate=rate, folder=None)
    catalog = {"params:bolt.calibration": SimpleNamespace(load=lambda: params)}
    samples = [
        SimpleNamespace(split=split, label=0)
        for split, count in (("train", train), ("calibration", calibration))
        for _ in range(count)
    ]
    pipeline = SimpleNamespace(all_outputs=lambda: {f"bolt.{name}" for name in outputs})
    check_shares(pipeline, catalog, lambda _: samples)


@pytest.mark.parametrize(
    ("train", "calibration", "rate", "sentence"),
    [
        (50, 20, 0.01, "The probability of detection of bolt needs a threshold: 1 % needs 99"),
        (50, 7, 0.05, "bolt has 7 good parts that nothing has learnt from, and the probability"),
        (
            54,
            0,
            0.02,
            "bolt has 0 .*: ask for a false-alarm rate of at least 3.6 %, where half",
        ),
        (50, 0, 0.05, "bolt has 0 good parts that nothing has learnt from.*split.calibration"),
    ],
)
def test_the_probability_of_detection_needs_a_threshold_and_held_out_parts(
    monkeypatch, train, calibration, rate, sentence
):
    check(monkeypatch, train, calibration, rate, ["inventory", "calibration"])
    with pytest.raises(InputError, match=sentence):
        check(monkeypatch, train, calibration, rate, ["inventory", "defect_draws"])


def test_enough_parts_and_those_shared_out_before_pass(monkeypatch):
    check(monkeypatch, 50, 20, 0.05, ["inventory", "defect_draws"])
    check(monkeypatch, 0, 0, 0.01, ["defect_draws"])  # the nodes refuse it themselves
