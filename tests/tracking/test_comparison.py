"""Runs side by side."""

import numpy as np
import pandas as pd
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import from_text
from reb_pipeline.figures.runs import runs_figure
from reb_pipeline.metrics.significance import delong_test
from reb_pipeline.tracking.comparison import (
    Result,
    Stored,
    compare_runs,
    compare_scores,
    find_results,
    render_runs,
)
from reb_pipeline.tracking.lineage import Facts

LABELS = np.repeat([0, 1], [20, 30])


def scores(seed, order=None, **columns):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({
        "sha256": [f"{n:03d}" for n in range(50)], "label": LABELS,
        "image_score": LABELS + rng.normal(size=50), "is_copy": False, **columns,
    })  # fmt: skip
    return table if order is None else table.iloc[order]


def result(run_id, alpha, auroc, table=None, category="a", detector="memory_bank"):
    facts = Facts({"scoring.alpha": str(alpha)})
    return Result(
        run_id, category, detector, {"image_auroc": auroc, "recall_share": 0.5}, facts, table
    )


def test_images_are_paired_by_their_hashes():
    now, before = scores(1), scores(2)
    found, reason = compare_scores(now.sample(frac=1, random_state=0), before)
    assert reason == ""
    assert found == delong_test(LABELS, now["image_score"], before["image_score"])


def test_copies_of_training_images_are_left_out():
    now, before = scores(1), scores(2)
    extra = pd.DataFrame({"sha256": ["c"], "label": [0], "image_score": [9.0], "is_copy": [True]})
    assert compare_scores(pd.concat([now, extra]), before) == compare_scores(now, before)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (None, "the scores are not stored any more"),
        (scores(1).drop(columns="sha256"), "the scores have no hashes of the images"),
        (
            scores(1, order=range(2, 50)),
            "other test images: 0 that the run before did not have, 2 that only it had",
        ),
        (
            scores(1, label=1 - LABELS),  # the same files with other labels
            "other test images: 50 that the run before did not have, 50 that only it had",
        ),
    ],
)
def test_no_test_has_a_reason(now, reason):
    assert compare_scores(now, scores(2)) == (None, reason)


def test_one_good_image_is_not_tested():
    few = scores(1, order=range(19, 50))
    assert compare_scores(few, few) == (None, "fewer than two good or two anomalous test images")


def test_each_run_is_compared_with_the_one_before_of_its_category_and_detector():
    table = compare_runs([
        result("r1", 0.5, 0.8, scores(1)),
        result("r2", 1.0, 0.9, scores(2)),
        result("r1", 0.5, 0.7, detector="hybrid"),
        result("r1", 0.5, 0.6, category="b"),
        result("r3", 0.5, 0.6, category="b"),
    ])  # fmt: skip
    assert table["compared_with"].tolist() == ["", "r1", "", "", "r1"]
    assert [from_text(text) for text in table["changed"]] == [
        [], ["scoring.alpha: 0.5 → 1.0"], [], [], []
    ]  # fmt: skip
    np.testing.assert_allclose(table["difference"], [np.nan, 0.1, np.nan, np.nan, 0.0])
    assert table["p_value"].notna().tolist() == [False, True, False, False, False]
    assert table["not_tested"].tolist() == ["", "", "", "", "the scores are not stored any more"]

    text = render_runs(table)
    assert "r2 changed scoring.alpha: 0.5 → 1.0" in text
    assert "r3 changed nothing that is recorded" in text
    assert "r3 is not tested: the scores are not stored any more" in text
    assert text.count("a, hybrid") == 1

    figure = runs_figure(table)
    assert len(figure.data) == 2 * 3  # panels of what was measured, of each category and detector
    p_value = table["p_value"][1]
    assert (figure.data[0].marker.color[1] != "white") == (p_value < 0.05)
    assert figure.data[0].customdata[1] == "scoring.alpha: 0.5 → 1.0"


def test_nothing_stored_is_said():
    with pytest.raises(InputError, match=r"No run that measured something is stored"):
        find_results(Stored([], {}, {}, {}))
