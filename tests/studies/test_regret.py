import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plain_configuration import configuration
from reb_pipeline.metrics.significance import auroc, delong_test, wilcoxon_over_categories
from reb_pipeline.studies.regret import (
    AUTO_ALPHA,
    CHOICE,
    CHOICES,
    ORACLE,
    PAPER,
    WIDE_ORACLE,
    choice_rows,
    unavailable_choices,
    with_mean_choices,
)

LABELS = [0, 0, 0, 1, 1, 1]
PAPER_CONFIGURATION, AUTO_CONFIGURATION = (
    configuration(n_neighbors=5),
    configuration(n_neighbors=5, alpha="auto"),
)
CANDIDATES = [configuration(detector="nearest"), configuration(n_neighbors=1), PAPER_CONFIGURATION]
CONFIGURATIONS = [
    PAPER_CONFIGURATION,
    AUTO_CONFIGURATION,
    *CANDIDATES[:2],
    configuration(n_neighbors=9),
]


def report(scores, labels=LABELS):
    return {
        "labels": labels, "image_scores": scores, "image_auroc": float(auroc(labels, scores)),
        "image_auroc_low": 0.1, "image_auroc_high": 0.9, "fitted_alpha": 1.5,
    }  # fmt: skip


def rows_of(reports, chosen, category="screw"):
    return choice_rows(
        category,
        reports,
        CANDIDATES,
        paper=PAPER_CONFIGURATION,
        auto=AUTO_CONFIGURATION,
        chosen=chosen,
    )


@given(
    st.lists(
        st.lists(st.integers(0, 5), min_size=6, max_size=6),
        min_size=len(CONFIGURATIONS),
        max_size=len(CONFIGURATIONS),
    ),
    st.sampled_from(CANDIDATES),
)
def test_no_choice_beats_its_oracle(scores, chosen):
    reports = dict(zip(CONFIGURATIONS, map(report, scores), strict=True))
    rows = rows_of(reports, chosen).set_index("choice")
    found = rows["image_auroc"]
    assert found[CHOICE] == reports[chosen]["image_auroc"]
    assert found[PAPER] == reports[PAPER_CONFIGURATION]["image_auroc"]
    assert found[AUTO_ALPHA] == reports[AUTO_CONFIGURATION]["image_auroc"]
    assert found[ORACLE] == max(reports[each]["image_auroc"] for each in CANDIDATES)
    assert found[WIDE_ORACLE] == max(each["image_auroc"] for each in reports.values())
    np.testing.assert_allclose(rows["regret"], found[ORACLE] - found)
    np.testing.assert_allclose(rows["wide_regret"], found[WIDE_ORACLE] - found)
    assert (rows["wide_regret"] >= 0).all()
    assert rows.loc[[CHOICE, PAPER, ORACLE], "regret"].min() >= 0  # auto may not be a candidate
    test = delong_test(
        LABELS, reports[chosen]["image_scores"], reports[PAPER_CONFIGURATION]["image_scores"]
    )
    assert rows.loc[CHOICE, "difference"] == test.difference
    if chosen != PAPER_CONFIGURATION:
        assert rows.loc[CHOICE, "p_value"] == test.p_value
    assert np.isnan(rows.loc[PAPER, "p_value"])
    assert rows.loc[AUTO_ALPHA, "alpha"] == "auto"


def test_a_configuration_that_failed_cannot_be_the_oracle():
    reports = {each: report([1, 2, 3, 3, 4, 5]) for each in CONFIGURATIONS} | {
        CONFIGURATIONS[-1]: "error: K"
    }
    rows = rows_of(reports, CANDIDATES[0])
    assert (rows["status"] == "measured").all()
    assert (rows["wide_regret"] == 0).all()


def test_a_choice_that_failed_says_why():
    reports = {each: report([1, 2, 3, 3, 4, 5]) for each in CONFIGURATIONS}
    reports |= {CONFIGURATIONS[-1]: "error: another", AUTO_CONFIGURATION: "error: alpha"}
    rows = rows_of(reports, CANDIDATES[0])
    assert rows["status"].tolist() == ["error: alpha"] * len(CHOICES)
    assert rows["image_auroc"].isna().all()


def test_one_class_only():
    reports = {each: report([1, 2, 3, 3, 4, 5]) | {"image_auroc": None} for each in CONFIGURATIONS}
    rows = rows_of(reports, CANDIDATES[0])
    assert set(rows["status"]) == {"not available: the test has one class only"}


def test_one_good_image_is_too_few_for_a_test():
    labels = [0, 1, 1]
    reports = {each: report([2, 1, 3], labels) for each in CONFIGURATIONS}
    reports[CANDIDATES[0]] = report([1, 2, 3], labels)
    rows = rows_of(reports, CANDIDATES[0]).set_index("choice")
    assert rows.loc[CHOICE, "difference"] == 0.5
    assert rows["p_value"].isna().all()


def test_rows_of_what_is_not_there():
    rows = unavailable_choices("screw", "not available: no folder")
    assert rows["choice"].tolist() == list(CHOICES)
    assert rows["category"].unique().tolist() == ["screw"]
    assert rows["image_auroc"].dtype == "float64"
    assert list(rows) == list(
        rows_of({c: report([1, 2, 3, 3, 4, 5]) for c in CONFIGURATIONS}, CONFIGURATIONS[2])
    )


def test_means_are_over_what_was_measured():
    rng = np.random.default_rng(0)
    rows = [
        rows_of(
            {c: report(list(rng.normal(size=6))) for c in CONFIGURATIONS}, CANDIDATES[1], f"c{n}"
        )
        for n in range(7)
    ]
    table = pd.concat([*rows, unavailable_choices("gone", "not available: x")], ignore_index=True)
    means = with_mean_choices(table).iloc[len(table) :].set_index("choice")
    by_choice = table.dropna(subset="image_auroc").set_index(["choice", "category"])["image_auroc"]
    for choice in CHOICES:
        assert means.loc[choice, "image_auroc"] == pytest.approx(by_choice[choice].mean())
    expected = wilcoxon_over_categories(by_choice[CHOICE], by_choice[PAPER])
    assert means.loc[CHOICE, "p_value"] == expected
    assert np.isnan(means.loc[PAPER, "p_value"])
    assert len(with_mean_choices(rows[0])) == len(CHOICES)
