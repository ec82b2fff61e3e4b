"""Tables of studies, from reports made by hand."""

import numpy as np
import pandas as pd
import pytest
from hand_made import BETTER, GOOD, LABELS, all_defects, measured, report, table_of

from plain_configuration import configuration
from reb_pipeline.metrics.significance import delong_test, wilcoxon_over_categories
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS
from reb_pipeline.studies.light import all_steps, light_rows
from reb_pipeline.studies.rows import reference_of, study_rows, with_means
from reb_pipeline.studies.views import distinct_labels, over_seeds, render_study

# --- rows of one category


def test_the_reference_is_the_described_configuration_most_alike():
    configurations = [configuration(detector=d, image_size=s, seed=n) for d in ("nearest", "ldknn")
             for s in (64, 128) for n in (0, 1)]  # fmt: skip
    every = [each.settings() for each in configurations]

    def found(own, **reference):
        return reference_of(own.settings(), every, reference)

    own = configuration(image_size=128, seed=1)
    assert (
        found(own, detector="nearest")
        == configuration(detector="nearest", image_size=128, seed=1).settings()
    )
    assert found(own, detector="nearest", seed=0)["image_size"] == 128
    assert found(configurations[0], detector="nearest") == configurations[0].settings()
    assert found(own, detector="lof") is None
    assert found(own) is None


def test_rows_are_tested_against_the_reference():
    configurations = [configuration(detector="nearest"), configuration()]
    table = table_of(
        configurations, [report(GOOD), report(BETTER)], reference={"detector": "nearest"}
    )
    base, other = all_defects(table).to_dict("records")
    test = delong_test(LABELS, BETTER, GOOD)
    assert (other["difference"], other["p_value"]) == (test.difference, test.p_value)
    assert other["difference"] == pytest.approx(1 / 9)
    assert np.isnan(base["difference"])
    assert table["defect_type"].tolist() == ["all", "crack", "hole"] * 2
    assert table.loc[1, "image_auroc"] == 0.7
    assert base["recall_at_5"] == pytest.approx(2 / 3)  # 5 and 6 of 3, 5, 6 are above 4
    assert other["recall_at_5"] == 1
    assert table.loc[[1, 2, 4, 5], "difference"].isna().all()


def test_one_defect_type_has_no_row_of_its_own():
    table = table_of([configuration()], [report(per_defect_type={"crack": {"image_auroc": 0.7}})])
    assert table["defect_type"].tolist() == ["all"]


def test_loco_metrics_are_columns():
    kinds = {
        "structural_anomalies": {"image_auroc": 0.9},
        "logical_anomalies": {"image_auroc": 0.7},
    }
    found = report(per_defect_type=kinds, structural_logical_mean={"image_auroc": 0.8})
    row = table_of([configuration()], [found]).iloc[0]
    names = ["image_auroc_structural", "image_auroc_logical", "image_auroc_loco_mean"]
    assert row[names].tolist() == [0.9, 0.7, 0.8]


def test_a_class_of_one_image_is_not_tested():
    labels = [0, 1, 1]
    reports = [report([2.0, 1.0, 3.0], labels), report([1.0, 2.0, 3.0], labels)]
    table = table_of([configuration(seed=1), configuration()], reports, reference={"seed": 1})
    row = all_defects(table).iloc[1]
    assert row["difference"] == 0.5
    assert np.isnan(row["p_value"])


@pytest.mark.parametrize("broken", [0, 1])
def test_a_failed_configuration_is_a_row_beside_the_others(broken):
    reports = [report(), report()]
    reports[broken] = "error: too few images"
    table = all_defects(
        table_of([configuration(), configuration(seed=1)], reports, reference={"seed": 0})
    )
    assert table.loc[broken, "status"] == "error: too few images"
    assert np.isnan(table.loc[broken, "image_auroc"])
    assert table.loc[1 - broken, "status"] == "measured"
    assert table["difference"].isna().all()


def test_one_class_has_no_auroc_to_compare():
    reports = [report(image_auroc=None), report(image_auroc=None)]
    table = table_of([configuration(), configuration(seed=1)], reports, reference={"seed": 0})
    assert all_defects(table)[["image_auroc", "difference"]].isna().all(axis=None)


# --- means over categories


def test_means_are_of_configurations_measured_everywhere():
    configurations = [configuration(), configuration(shots=5)]
    table = measured([[0.5, 0.7, 0.9], [0.6, 0.6, 0.8]], configurations)
    lost = (table["category"] == "c1") & (table["shots"] == 5)
    table.loc[lost, "status"] = "error: lost"
    means = with_means(table, {}).iloc[len(table) :]
    assert means["category"].tolist() == ["mean"]
    assert means["image_auroc"].tolist() == pytest.approx([0.7])
    assert means["shots"].isna().all()
    assert means["image_ap"].tolist() == [0.5]
    one = table[table["category"] == "c0"]
    pd.testing.assert_frame_equal(with_means(one, {}), one)


@pytest.mark.parametrize(
    "reference", [{"detector": "nearest"}, {"alpha": 0.0}, {"shots": None}, {"shots": 5}]
)
def test_means_are_tested_over_categories(reference):
    rng = np.random.default_rng(0)
    for n_categories in (5, 7):
        aurocs = rng.uniform(0.6, 1, (2, n_categories))
        configurations = [
            configuration(detector="nearest", alpha=0.0, shots=reference.get("shots")),
            configuration(shots=9),
        ]
        table = measured(aurocs, configurations, reference)
        base, other = with_means(table, reference).iloc[len(table) :]["p_value"]
        assert np.isnan(base)
        expected = wilcoxon_over_categories(aurocs[1], aurocs[0])
        assert (expected is None) == (n_categories == 5)
        np.testing.assert_equal(other, np.nan if expected is None else expected)


# --- for figures and text


def test_seeds_become_one_row_with_their_range():
    configurations = [configuration(shots=5, seed=seed) for seed in range(3)] + [
        configuration(shots=2, seed=1)
    ]
    values = [0.5, 0.9, 0.7, 0.6]
    table = table_of(configurations, [report(image_auroc=value) for value in values])
    shown = over_seeds(
        pd.concat([table, study_rows("screw", [configurations[0].settings()], ["x"], {})])
    )
    assert shown["shots"].tolist() == [5, 2]
    assert shown["image_auroc"].tolist() == pytest.approx([0.7, 0.6])
    assert shown["image_auroc_low"].tolist() == [0.5, 0.1]  # one seed keeps its own interval
    assert shown["image_auroc_high"].tolist() == [0.9, 0.95]


def test_labels_tell_what_differs():
    configurations = [
        configuration(),
        configuration(shots=5),
        configuration(n_neighbors=9, seed=4),
        configuration(detector="nearest"),
        configuration(),
    ]
    table = all_defects(table_of(configurations, [report()] * 5))
    assert distinct_labels(table, first="detector") == [
        "ldknn", "ldknn, shots 5", "ldknn, n_neighbors 9", "nearest", "ldknn",
    ]  # fmt: skip
    assert distinct_labels(table, first="detector", but=["shots"])[1] == "ldknn"


def test_tables_without_a_measured_row():
    rows = study_rows("screw", [configuration().settings()], ["error: x"], {})
    table = all_defects(
        table_of([configuration(), configuration(seed=1)], ["error: x", "error: y"])
    )
    for one in (rows.reindex(columns=table.columns), table):
        shown = over_seeds(one)
        assert shown.empty
        assert {"category", "image_auroc", *CONFIGURATION_FIELDS} <= {*shown}
        assert distinct_labels(shown, first="detector") == []
        assert "1 rows: error: x" in render_study(one)
    assert with_means(table, {})["status"].tolist() == ["error: x", "error: y"]


def test_steps_of_light_are_averaged_one_by_one():
    def steps_of(flagged):
        steps = [
            {"change": name, "level": level, "image_auroc": 0.9, "flagged": flagged, "found": None}
            for name, level in all_steps()
        ]
        return {"steps": steps}

    settings = [configuration(light_copies=copies).settings() for copies in (0, 1)]
    rows = [
        light_rows("nut", settings, [steps_of(0.1), steps_of(0.2)]),
        light_rows("screw", settings, [steps_of(0.3), "error: x"]),
    ]
    table = with_means(pd.concat(rows, ignore_index=True), {})
    means = table[table["category"] == "mean"]
    assert [tuple(step) for step in means[["change", "level"]].to_numpy()] == all_steps()
    assert set(means["light_copies"]) == {0}  # the other was not measured everywhere
    np.testing.assert_allclose(means["flagged"], 0.2)
    assert means["found"].isna().all()
    assert "1 rows: error: x" in render_study(table)
