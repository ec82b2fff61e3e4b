"""The paper's numbers beside measured ones."""

import numpy as np
import pandas as pd
from hand_made import all_defects, measured, report, table_of

from plain_configuration import configuration
from reb_pipeline.studies.rows import beside_published, with_means


def numbers(*rows):
    """Rows of published numbers; what is left out is that of the plain configuration's mean."""
    usual = {
        "table": "2", "benchmark": "mvtec_ad", "category": "mean", "backbone": "efficientnet_lite0",
        "representation": "imagenet", "detector": "ldknn", "n_neighbors": "", "shots": pd.NA,
        "metric": "image_auroc", "value": 98.0, "note": "",
    }  # fmt: skip
    frame = pd.DataFrame([usual | row for row in rows])
    return frame.assign(shots=frame["shots"].astype("Int64"))


def beside(table, *rows, benchmark="mvtec_ad"):
    found = beside_published(table, numbers(*rows), benchmark)
    return found.iloc[: len(table)], found.iloc[len(table) :]


def test_a_published_k_matches_its_own_and_none_matches_all():
    configurations = [
        configuration(n_neighbors=3),
        configuration(n_neighbors=5),
        configuration(detector="nearest"),
    ]
    table = all_defects(table_of(configurations, [report()] * 3))
    rows = [
        {"category": "screw", "n_neighbors": "5", "value": 90.0},
        {"category": "screw", "detector": "knn", "value": 80.0},
        {"category": "screw", "metric": "pixel_auroc", "value": 70.0},
    ]
    ours, others = beside(table, *rows)
    np.testing.assert_array_equal(ours["published_image_auroc"], [np.nan, 0.9, 0.8])
    np.testing.assert_array_equal(ours["published_pixel_auroc"], [0.7, 0.7, np.nan])
    assert others.empty


def test_numbers_stand_beside_rows_over_all_defects_of_as_many_shots():
    table = table_of([configuration(), configuration(shots=5)], [report(), report()])
    ours, _ = beside(table, {"category": "screw", "shots": 5})
    matches = (ours["shots"] == 5) & (ours["defect_type"] == "all")
    assert matches.sum() == 1
    assert (ours["published_image_auroc"].notna() == matches).all()
    ours, _ = beside(table, {"category": "screw"})
    assert (
        ours["published_image_auroc"].notna() == ~matches & (ours["defect_type"] == "all")
    ).all()


def test_means_that_nothing_matches_follow_once():
    table = all_defects(table_of([configuration()], [report()]))
    rows = [
        {"detector": "lof"},
        {"detector": "lof", "metric": "pixel_auroc", "value": 96.0},
        {"detector": "lof", "n_neighbors": "7"},
        {"benchmark": "btad", "shots": 5, "value": 94.0},
        {"category": "screw", "detector": "lof"},  # no mean
        {"representation": "", "detector": "DifferNet"},  # not a configuration of any study
    ]
    _, others = beside(table, *rows)
    assert not others.duplicated(["benchmark", "detector", "n_neighbors", "shots"]).any()
    others = others.sort_values(["benchmark", "n_neighbors"], na_position="first")
    status = ["not available: btad is another data set", *["published, not measured"] * 2]
    assert others["status"].tolist() == status
    assert others["published_image_auroc"].tolist() == [0.94, 0.98, 0.98]
    np.testing.assert_array_equal(others["published_pixel_auroc"], [np.nan, 0.96, np.nan])
    np.testing.assert_array_equal(others["n_neighbors"], [np.nan, np.nan, 7])
    np.testing.assert_array_equal(others["shots"].astype(float), [5, np.nan, np.nan])
    assert set(others["category"]) == {"mean"}
    assert set(others["defect_type"]) == {"all"}


def test_the_mean_row_takes_the_published_mean():
    table = all_defects(with_means(measured([[0.8, 0.9]], [configuration()]), {}))
    ours, others = beside(table, {}, {"category": "c1", "value": 91.0})
    np.testing.assert_array_equal(ours["published_image_auroc"], [np.nan, 0.91, 0.98])
    assert others.empty
    assert set(ours["benchmark"]) == {"mvtec_ad"}
