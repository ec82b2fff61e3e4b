"""A part is good only below a threshold that is known, by a score that is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.calibration.verdicts import VERDICTS, above, can_flag, verdict_of

ANY = st.floats(width=32)  # NaN and both infinities among them


def test_the_vocabulary_is_closed():
    assert VERDICTS == ("good", "doubtful", "defective", "undecided", "unreadable")


@given(score=ANY, threshold=ANY)
def test_good_is_said_only_of_a_known_score_below_a_known_threshold(score, threshold):
    verdict = verdict_of(score, threshold)
    assert verdict in {"good", "defective", "undecided"}
    assert (verdict == "undecided") == (not np.isfinite(threshold)) == (not can_flag(threshold))
    if verdict == "good":
        assert score <= threshold


@given(values=st.lists(ANY, max_size=5), threshold=ANY)
def test_a_value_is_above_unless_it_is_at_most_the_threshold(values, threshold):
    found = above(np.array(values, np.float32), threshold)
    assert found.tolist() == [not value <= threshold for value in values]


@pytest.mark.parametrize(
    ("n", "broken"), [(n, k) for n in (0, 5, 19, 99) for k in (1, n) if k <= n]
)
def test_calibration_scores_that_are_no_numbers_make_no_part_good(n, broken):
    """Whatever the threshold becomes, a part that would be defective without them is not good."""
    scores = np.linspace(0, 1, n)
    scores[:broken] = np.nan
    assert verdict_of(2.0, conformal_threshold(scores, 0.05)) != "good"
