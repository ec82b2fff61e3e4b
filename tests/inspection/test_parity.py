"""A packaged model beside the training pipeline: rounding is let pass, anything else is not."""

from dataclasses import replace

import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection import Inspector, parity
from reb_pipeline.inspection.parity import TOLERANCE, compare
from reb_pipeline.memory_bank.density import LocalDensity
from tiny_model import HELD_OUT, SCORING, train, write_tiny

pytest.importorskip("onnx")

IMAGES = list(HELD_OUT.values())


def compared(folder, training=None, **packaged):
    inspector = Inspector.load(write_tiny(folder / "model", **packaged))
    detector, calibration, found = train(**(training or {}))
    return compare(inspector, IMAGES, found, detector, calibration)


@pytest.mark.parametrize("scorer", ["ldknn", "lof", "knn"])
def test_the_same_model_passes(tmp_path, scorer):
    scoring = {"scoring": SCORING.model_copy(update={"scorer": scorer})}
    found = compared(tmp_path, scoring, **scoring)
    found.check()
    assert found.images == len(IMAGES)
    assert max(found.distance_difference, found.map_difference, found.score_difference) < 1e-5
    assert found.verdicts_differ == 0
    assert found.figures()["tolerance"] == TOLERANCE
    assert f"differ on {len(IMAGES)} good images by 0 verdicts" in found.statement()


def test_another_network_is_refused(tmp_path):
    found = compared(tmp_path, factor=1.01)
    assert found.distance_difference > TOLERANCE
    with pytest.raises(
        InputError, match=r"differ on 19 good images by .*: set features.engine to torch"
    ):
        found.check()


def test_another_scoring_is_refused(tmp_path):
    other = SCORING.model_copy(update={"alpha": 0.6})
    with pytest.raises(InputError, match="maps by"):
        compared(tmp_path, scoring=other).check()


def test_another_coreset_is_refused(tmp_path):
    with pytest.raises(InputError, match="was made from another coreset"):
        compared(tmp_path, ratio=0.25)


def test_rows_that_are_equally_near_may_be_taken_either_way(tmp_path):
    """Every second row is a copy of the one before it with another density."""
    inspector = Inspector.load(write_tiny(tmp_path / "model"))
    detector, calibration, found = train()
    other = np.where(np.arange(found.rows.max() + 1) % 2, -1, 1)[found.rows] + found.rows
    tied = replace(found, rows=np.minimum(other, len(detector.features) - 1).astype(np.int32))
    judged = compare(inspector, IMAGES, tied, detector, calibration)
    assert judged.ties > 0
    judged.check()
    squared = found.squared_distances * (1 + 10 * TOLERANCE)
    with pytest.raises(InputError, match="distances by 9"):  # what is farther is no tie
        compare(
            inspector, IMAGES, replace(found, squared_distances=squared), detector, calibration
        ).check()


def test_another_density_is_refused(tmp_path):
    inspector = Inspector.load(write_tiny(tmp_path / "model"))
    detector, calibration, found = train()
    density = LocalDensity(
        detector.density.squared_distances * 2, detector.density.coreset_fingerprint
    )
    with pytest.raises(InputError, match="may: set"):
        compare(inspector, IMAGES, found, replace(detector, density=density), calibration).check()


def test_what_is_not_a_number_is_refused(tmp_path):
    found = compared(tmp_path)
    for name in ("distance_difference", "map_difference", "score_difference"):
        with pytest.raises(InputError):
            replace(found, **{name: float("nan")}).check()


def test_verdicts_within_rounding_of_the_threshold_are_alike():
    scores = np.array([1.0, 2.0, 10.0])
    count = parity._verdicts_differ
    assert count(scores, scores, 2.0, 2.0) == 0
    assert (
        count(scores + np.array([0, 1e-6, 0]), scores, 2.0, 2.0) == 0
    )  # the image that is the threshold
    assert count(scores + np.array([2, 0, 0]), scores, 2.0, 2.0) == 1
    assert count(scores, scores, 1.5, 2.0) == 1
    assert count(scores, scores, np.inf, np.inf) == 0


def test_an_older_calibration_is_named_as_such(tmp_path):
    """Not as two verdicts that differ, for which another backbone would be no remedy."""
    inspector = Inspector.load(write_tiny(tmp_path / "model"))
    detector, calibration, found = train()
    newer = replace(calibration, false_alarm_rate=0.3)
    with pytest.raises(
        InputError, match=r"another calibration \(.*run the pipeline packaging again"
    ):
        compare(inspector, IMAGES, found, detector, newer)
