import numpy as np
import pandas as pd
import pytest

from reb_pipeline.figures.studies import dots_figure, frontier_figure, sweep_figure
from reb_pipeline.parameters.configurations import CONFIGURATION_FIELDS
from reb_pipeline.pipelines.studies.arms import draw_arms
from reb_pipeline.pipelines.studies.detectors import draw_detectors
from reb_pipeline.studies.rows import COLUMNS

# Rows out of order; the second category lacks the first method.
SWEEP = pd.DataFrame([
    {"category": "bolt", "method": "knn", "k": 9, "auroc": 0.8, "low": 0.7, "high": 0.85},
    {"category": "bolt", "method": "knn", "k": 1, "auroc": 0.9, "low": 0.85, "high": 0.95},
    {"category": "bolt", "method": "ldknn", "k": 1, "auroc": 0.91, "low": np.nan, "high": np.nan},
    {"category": "bolt", "method": "ldknn", "k": 9, "auroc": 0.97, "low": 0.96, "high": 0.99},
    {"category": "nut", "method": "ldknn", "k": 1, "auroc": 0.6, "low": 0.5, "high": 0.7},
])  # fmt: skip
BARS = pd.DataFrame(
    {
        "category": ["bolt", "bolt", "nut", "nut"],
        "method": ["knn", "ldknn", "knn", "ldknn"],
        "image_auroc": [0.9, 0.95, 0.8, 0.85],
        "low": [0.85, 0.9, 0.7, 0.8],
        "high": [0.92, 0.97, 0.9, 0.86],
        "paper": [0.91, np.nan, 0.99, 0.84],
    }
)


def draw_sweep(**options):
    texts = ("Neighbours", "K", "image AUROC")
    return sweep_figure(SWEEP, "k", "auroc", "method", *texts, **options)


def lines_of(figure):
    """(x axis, name): points of every drawn line."""
    return {
        (trace.xaxis, trace.name): list(zip(trace.x, trace.y, strict=True))
        for trace in figure.data
        if trace.fill is None and not trace.showlegend and trace.x[0] is not None
    }


def test_sweep_has_a_panel_a_category_and_a_line_a_method():
    figure = draw_sweep(panels="category")
    assert lines_of(figure) == {
        ("x", "knn"): [(1, 0.9), (9, 0.8)],
        ("x", "ldknn"): [(1, 0.91), (9, 0.97)],
        ("x2", "ldknn"): [(1, 0.6)],
    }
    texts = [note.text for note in figure.layout.annotations]
    assert texts == ["bolt", "nut", "K", "image AUROC"]
    assert figure.layout.title.text == "Neighbours"
    assert figure.layout.yaxis2.matches == "y"  # the same axes in both


def test_sweep_keeps_a_methods_colour_and_names_it_once():
    figure = draw_sweep(panels="category", band=("low", "high"))
    legend = [trace for trace in figure.data if trace.showlegend is not False]
    assert [trace.name for trace in legend] == ["knn", "ldknn"]
    assert all(trace.x == (None,) for trace in legend)
    for entry in legend:
        drawn = [t for t in figure.data if t.legendgroup == entry.name and t.line.color]
        assert {trace.line.color for trace in drawn} == {entry.line.color}
    assert legend[0].line.color != legend[1].line.color


def test_sweep_draws_intervals_as_bands():
    figure = draw_sweep(panels="category", band=("low", "high"))
    bands = {(t.xaxis, t.legendgroup): t for t in figure.data if t.fill == "toself"}
    assert set(bands) == {("x", "knn"), ("x", "ldknn"), ("x2", "ldknn")}
    assert list(bands["x", "knn"].x) == [1, 9, 9, 1]
    assert list(bands["x", "knn"].y) == [0.95, 0.85, 0.7, 0.85]
    assert list(bands["x", "ldknn"].x) == [9, 9]  # no interval at K = 1


def test_sweep_in_one_panel_and_by_the_logarithm():
    bolt = SWEEP[SWEEP["category"] == "bolt"]
    figure = sweep_figure(bolt, "k", "auroc", "method", "", "K", "AUROC", log_x=True)
    assert set(lines_of(figure)) == {("x", "knn"), ("x", "ldknn")}
    axis = figure.layout.xaxis
    assert axis.type == "log"
    assert axis.ticktext == ("1", "2", "5", "10", "20", "50")
    assert axis.tickvals == (1, 2, 5, 10, 20, 50)
    assert draw_sweep().layout.xaxis.type is None


def test_sweep_leaves_points_of_some_series_unjoined():
    figure = draw_sweep(unjoined=["knn"])
    modes = {(trace.name, trace.mode) for trace in figure.data}
    assert modes == {("knn", "markers"), ("ldknn", "lines+markers")}


def test_sweep_wraps_many_panels():
    table = pd.DataFrame({"category": list("abcdefg"), "k": 1, "auroc": 0.9, "method": "knn"})
    figure = sweep_figure(table, "k", "auroc", "method", "", "K", "AUROC", panels="category")
    assert {axis for axis, _ in lines_of(figure)} == {"x", *(f"x{i}" for i in range(2, 8))}
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis6.domain[1]
    assert figure.layout.xaxis5.showticklabels  # nothing is below it
    assert figure.layout.height > draw_sweep().layout.height


def study(*configurations, categories=("bolt", "nut")):
    """Table of a study whose image AUROC falls from one configuration to the next."""
    return pd.DataFrame([
        {
            **dict.fromkeys(COLUMNS), **dict.fromkeys(CONFIGURATION_FIELDS, "x"), "seed": 0,
            "category": category, "status": "measured", "defect_type": "all",
            "image_auroc": 0.95 - 0.01 * number + 0.002 * place,
            "image_auroc_low": 0.9, "image_auroc_high": 0.99,
            "published_image_auroc": 0.97 if category == "bolt" else np.nan, **configuration,
        }
        for number, configuration in enumerate(configurations)
        for place, category in enumerate(categories)
    ])  # fmt: skip


def names_from_the_top(figure):
    return list(figure.layout.yaxis.categoryarray)[::-1]


def test_arms_have_a_row_each_and_no_bar_on_a_cut_axis():
    arms = [
        {"representation": representation, "detector": detector}
        for representation in ("imagenet", "defectmaker")
        for detector in ("nearest", "ldknn")
    ]
    figure = draw_arms(study(*arms))
    assert {trace.type for trace in figure.data} == {"scatter"}
    assert names_from_the_top(figure) == [
        f"{category}, x: {arm}"
        for category in ("bolt", "nut")
        for arm in ("ImageNet + KNN", "LDKNN", "DefectMaker + KNN", "REB")
    ]
    places = [
        place
        for trace in figure.data
        if trace.mode == "markers" and trace.y[0]
        for place in trace.y
    ]
    dots = [trace for trace in figure.data if trace.marker.symbol is None]
    assert sum(len(trace.y) for trace in dots) == len({*places})  # no two dots in one row
    diamonds = [trace for trace in figure.data if trace.marker.symbol == "diamond-open"]
    assert [trace.name for trace in diamonds if trace.showlegend] == ["published"]


def test_many_detectors_are_sorted_the_best_on_top():
    configurations = [{"detector": f"detector {number}"} for number in range(42)]
    shuffled = study(*configurations).sample(frac=1, random_state=0)
    figure = draw_detectors(shuffled)
    assert names_from_the_top(figure) == [f"detector {number}" for number in range(42)]
    assert figure.layout.height > 42 * 20
    least, most = figure.layout.yaxis.range
    assert least < 0
    assert most > 41  # no row is cut


def test_published_values_are_diamonds_in_the_same_row():
    figure = dots_figure(BARS, "image_auroc", "category", "method", "", reference="paper")
    diamonds = [trace for trace in figure.data if trace.marker.symbol == "diamond-open"]
    assert [trace.name for trace in diamonds if trace.showlegend] == ["published"]
    for trace, values in zip(diamonds, [[0.91, 0.99], [np.nan, 0.84]], strict=False):
        assert np.asarray(trace.x, float) == pytest.approx(values, nan_ok=True)
        assert list(trace.y) == ["bolt", "nut"]
    figure = dots_figure(
        BARS.assign(paper=np.nan), "image_auroc", "category", "method", "", reference="paper"
    )
    assert [trace.name for trace in figure.data] == ["knn", "ldknn"]


def test_frontier_joins_points_by_their_share():
    table = pd.DataFrame({
        "method": ["reb", "reb", "reb", "knn"], "share": [0.1, 1.0, 0.001, 0.5],
        "fps": [20.0, 5.0, 30.0, 12.0], "auroc": [0.98, 0.99, 0.95, 0.9],
    })  # fmt: skip
    titles = ("Speed", "images per second", "image AUROC")
    figure = frontier_figure(table, "fps", "auroc", "share", "method", *titles)
    reb, knn = figure.data
    assert list(reb.x) == [30, 20, 5]
    assert list(reb.y) == [0.95, 0.98, 0.99]
    assert list(reb.text) == ["0.1 %", "10 %", "100 %"]
    assert (knn.name, knn.text) == ("knn", ("50 %",))
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.title.text == "images per second"
    assert {5, 20} <= set(figure.layout.xaxis.tickvals)


def test_dots_stand_by_their_method_from_the_top():
    figure = dots_figure(BARS, "image_auroc", "method", "category", "", low="low", high="high")
    bolt, nut = figure.data
    assert (bolt.name, list(bolt.y), list(bolt.x)) == ("bolt", ["knn", "ldknn"], [0.9, 0.95])
    np.testing.assert_allclose(nut.error_x.arrayminus, [0.1, 0.05])
    np.testing.assert_allclose(nut.error_x.array, [0.1, 0.01])
    assert list(figure.layout.yaxis.categoryarray) == ["ldknn", "knn"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda table: dots_figure(table, "image_auroc", "method", "category", "t", low="low", high="high"),
        lambda table: frontier_figure(table, "low", "high", "image_auroc", "method", "t", "", ""),
        lambda table: sweep_figure(table, "low", "high", "method", "t", "", ""),
    ],
)  # fmt: skip
def test_nothing_measured_is_said(draw):
    assert "nothing was measured" in draw(BARS.iloc[:0]).layout.annotations[0].text
