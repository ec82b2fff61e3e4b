"""The figure of what methods find against what they take."""

import numpy as np
import pandas as pd

from reb_pipeline.figures.trade_off import trade_off_figure
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS, PIXEL_DETECTORS
from reb_pipeline.pipelines.studies.paradigms import draw_paradigms, paradigm_of
from reb_pipeline.studies.rows import COLUMNS


def table_of(*detectors, category="part"):
    rows = [
        {
            **dict.fromkeys(COLUMNS),
            **dict.fromkeys(CONFIGURATION_FIELDS, "x"),
            "category": category,
            "status": "measured",
            "defect_type": "all",
            "detector": detector,
            "image_auroc": 0.9 - 0.1 * n,
            "images_per_second": 10.0 * (n + 1),
            "model_mib": 2.5,
        }
        for n, detector in enumerate(detectors)
    ]
    return pd.DataFrame(rows)


def test_a_marker_a_method_and_a_colour_a_family():
    table = pd.DataFrame(
        {
            "x": [1.0, 10.0, 30.0],
            "y": [0.5, 0.7, 0.9],
            "m": ["a", "b", "c"],
            "f": ["F", "G", "F"],
            "mib": 4.0,
        }
    )
    figure = trade_off_figure(table, "x", "y", "m", "f", "title", ["mib"])
    first, second = figure.data
    assert (first.name, list(first.x), list(first.text)) == ("F", [30.0, 1.0], ["c", "a"])
    assert (second.name, list(second.y)) == ("G", [0.7])
    assert first.marker.symbol != second.marker.symbol
    assert first.marker.color != second.marker.color
    assert [row[0] for row in first.customdata] == [4.0, 4.0]
    assert figure.layout.xaxis.type == "log"


def test_no_name_lies_over_another_or_over_the_markers():
    same = pd.DataFrame(
        {"x": [10.0, 10.1, 10.2, 99.0], "y": [0.9, 0.9, 0.9, 0.2], "m": list("abcd"), "f": "F"}
    )
    figure = trade_off_figure(same, "x", "y", "m", "f", "title", [])
    names = sorted(figure.layout.annotations, key=lambda one: one.ay)
    assert names[0].text == "d"
    least, most = figure.layout.yaxis.range
    pixels = figure.layout.height - 170
    gaps = np.diff([name.ay for name in names]) / (most - least) * pixels
    assert (gaps > 20).all()
    assert {name.ax for name in names} == {names[0].ax}  # a column
    assert names[0].ax > np.log10(same["x"].max())
    assert names[0].ax < figure.layout.xaxis.range[1]
    assert max(figure.layout.xaxis.tickvals) <= 100


def test_one_method_has_a_name():
    one = pd.DataFrame({"x": [10.0], "y": [0.9], "m": ["a"], "f": ["F"]})
    (name,) = trade_off_figure(one, "x", "y", "m", "f", "title", []).layout.annotations
    assert (name.text, name.y) == ("a", 0.9)


def test_means_stand_for_their_categories():
    detectors = ("nearest", "feature_reconstruction", "hybrid", *PIXEL_DETECTORS)
    tables = [table_of(*detectors, category=name) for name in ("one", "two", "mean")]
    figure = draw_paradigms(pd.concat(tables, ignore_index=True))
    assert figure.layout.title.text == "Two paradigms: mean"
    assert sum(len(trace.x) for trace in figure.data) == len(detectors)
    assert [trace.name for trace in figure.data] == [
        "remember patches", "reconstruct features", "both", "reconstruct pixels",
    ]  # fmt: skip
    assert draw_paradigms(tables[0]).layout.title.text == "Two paradigms: one"


def test_other_detectors_remember():
    assert paradigm_of("padim") == "remember patches"
