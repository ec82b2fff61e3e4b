"""Published names: files and tables of earlier runs have them, in this order."""

from reb_pipeline.metrics.registry import HEADLINES, METRICS, measured_metrics
from reb_pipeline.studies import rows

PUBLISHED = [
    "image_auroc", "image_ap", "image_f1_max",
    "pixel_auroc", "pixel_ap", "pixel_f1_max", "au_pro", "au_spro",
]  # fmt: skip


def test_names_and_order_of_reports_and_summaries():
    assert list(METRICS) == PUBLISHED


def test_columns_of_studies():
    assert rows.METRICS == [
        "image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "au_pro",
        "image_auroc_structural", "image_auroc_logical", "image_auroc_loco_mean",
    ]  # fmt: skip


def test_bars_of_the_summary():
    assert [METRICS[name].title for name in HEADLINES] == [
        "image AUROC", "pixel AUROC", "AU-PRO", "AU-sPRO",
    ]  # fmt: skip


def test_metrics_without_a_value_are_left_out():
    report = {"category": "nut", "au_pro": None, "pixel_ap": 0.5, "image_auroc": 0.0}
    assert list(measured_metrics(report).items()) == [("image_auroc", 0.0), ("pixel_ap", 0.5)]
