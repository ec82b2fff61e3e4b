import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from reb_pipeline.figures.curves import GOOD_COLOUR, roc_figure, score_histogram
from reb_pipeline.figures.examples import Example, hardest_images, hardest_images_figure
from reb_pipeline.figures.map_scale import MapScale
from reb_pipeline.figures.summary import summary_figure

SCORES = pd.DataFrame({
    "id": ["d", "c", "b", "a", "z", "y", "x", "w"],
    "image_score": [1.0, 1.0, 0.5, 0.2, 0.9, 2.0, 3.0, 3.0],
    "label": [0, 0, 0, 0, 1, 1, 1, 1],
    "defect_type": ["good"] * 4 + ["scratch", "hole", "hole", "crack"],
})  # fmt: skip


def make_example(peak=5.0, mask=True, title="cell0012 · defective · score 3.21"):
    marked = np.zeros((8, 12), dtype=bool)
    marked[2:4, 3:6] = True
    anomaly_map = np.where(marked, peak, 1.0).astype(np.float32)
    image = np.full((8, 12, 3), 90, dtype=np.uint8)
    return Example(image, marked if mask else None, anomaly_map, title)


def test_roc_shows_the_curve_and_its_area():
    figure = roc_figure([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], "ROC · bottle")
    curve, chance = figure.data
    assert curve.name == "AUROC 75.00 %"
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(0.75)
    assert chance.name == "chance"
    assert figure.layout.title.text == "ROC · bottle"


def test_roc_marks_the_threshold():
    point = roc_figure([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], "ROC", threshold=0.25).data[1]
    assert (point.x, point.y) == ((0.5,), (0.5,))
    assert point.name == "calibrated threshold: 50.0% found, 50.0% false alarms"


def test_histogram_draws_the_threshold():
    assert not score_histogram(SCORES, "Scores").layout.shapes
    (line,) = score_histogram(SCORES, "Scores", threshold=0.75).layout.shapes
    assert (line.x0, line.x1) == (0.75, 0.75)


def test_roc_of_one_class_says_so():
    figure = roc_figure([0, 0], [1.0, 2.0], "ROC")
    assert [trace.name for trace in figure.data] == ["chance"]
    assert "only one class" in figure.layout.annotations[0].text


def test_histogram_has_every_kind_once_in_shared_bins():
    figure = score_histogram(SCORES, "Scores")
    bars = [trace for trace in figure.data if trace.type == "histogram"]
    assert [bar.name for bar in bars] == ["good (4)", "crack (1)", "hole (2)", "scratch (1)"]
    assert sorted(np.concatenate([bar.x for bar in bars])) == sorted(SCORES["image_score"])
    assert bars[0].marker.color == GOOD_COLOUR
    assert len({bar.marker.color for bar in bars}) == 4
    assert len({(bar.xbins.start, bar.xbins.size) for bar in bars}) == 1
    assert bars[0].xbins.end > SCORES["image_score"].max()
    rugs = [trace for trace in figure.data if trace.type == "scatter"]
    assert [len(rug.x) for rug in rugs] == [4, 1, 2, 1]


def test_histogram_of_equal_scores_and_good_images_only():
    good = SCORES[SCORES["label"] == 0].assign(image_score=1.0)
    figure = score_histogram(good, "Scores")
    assert [trace.name for trace in figure.data if trace.type == "histogram"] == ["good (4)"]
    assert figure.data[0].xbins.size > 0


def test_hardest_images_break_ties_by_id_and_repeat_none():
    assert hardest_images(SCORES, per_kind=3) == [
        ("c", "highest good"),
        ("d", "highest good"),
        ("b", "highest good"),
        ("z", "lowest anomalous"),
        ("y", "lowest anomalous"),
        ("w", "lowest anomalous"),
        ("x", "highest anomalous"),
    ]
    shuffled = SCORES.sample(frac=1, random_state=0)
    assert hardest_images(shuffled) == hardest_images(SCORES)


SCALE = MapScale(1.0, 2.0, 5.0)


def test_examples_have_four_columns_and_one_colour_bar():
    examples = [make_example(), make_example(mask=False, title="second")]
    figure = hardest_images_figure(examples, "Hardest", SCALE)
    assert len(figure.axes) == 2 * 4 + 1
    assert figure.get_suptitle() == "Hardest"
    assert [figure.axes[first].texts[0].get_text() for first in (0, 4)] == [
        examples[0].title,
        "second",
    ]
    assert [t.get_text() for t in figure.axes[5].texts] == ["no mask"]
    assert [a.texts[-1].get_text() for a in figure.axes[:4]] == [
        "image", "mask", "anomaly map", "overlay",
    ]  # fmt: skip
    assert np.array_equal(figure.axes[1].images[0].get_array(), examples[0].mask)
    for row in (0, 4):
        assert figure.axes[row + 2].images[0].get_clim() == (1.0, 5.0)
        assert figure.axes[row + 3].images[1].get_clim() == (1.0, 5.0)


def test_without_a_marked_defect_there_is_no_column_of_masks():
    good = dataclasses.replace(make_example(), mask=np.zeros((8, 12), bool))
    figure = hardest_images_figure([good, make_example(mask=False)], "Hardest", SCALE)
    assert len(figure.axes) == 2 * 3 + 1
    assert [a.texts[-1].get_text() for a in figure.axes[:3]] == ["image", "anomaly map", "overlay"]


def test_overlay_grows_with_the_score_and_leaves_good_images_clean():
    good, bad = make_example(peak=1.4), make_example(peak=5.0)
    figure = hardest_images_figure([good, bad], "Hardest", SCALE)
    good_alpha, bad_alpha = (figure.axes[index].images[1].get_alpha() for index in (3, 7))
    assert not good_alpha.any()
    assert np.array_equal(bad_alpha > 0, bad.mask)
    middle = hardest_images_figure([make_example(peak=3.5)], "Hardest", SCALE)
    assert 0 < middle.axes[3].images[1].get_alpha().max() < bad_alpha.max() < 1


def test_white_surroundings_of_a_good_part_stay_white():
    example = make_example(peak=1.0)
    white = dataclasses.replace(example, image=np.full_like(example.image, 255))
    figure = hardest_images_figure([white], "Hardest", SCALE)
    overlay, canvas = figure.axes[3], FigureCanvasAgg(figure)
    canvas.draw()
    left, low, right, high = (round(at) for at in overlay.get_window_extent().extents)
    drawn = np.asarray(canvas.buffer_rgba())[::-1][low + 2 : high - 2, left + 2 : right - 2]
    assert drawn.size
    assert (drawn == 255).all()


@pytest.mark.parametrize("shape", [(1250, 55), (55, 1250), (30, 40)])
def test_a_row_is_at_most_twice_as_high_as_its_pictures_are_wide(shape):
    image = np.zeros((*shape, 3), np.uint8)
    strip = Example(image, None, np.zeros(shape, np.float32), "strip")
    figure = hardest_images_figure([strip] * 9, "Hardest", SCALE)
    assert figure.get_figheight() < 9 * 4.8 + 1


def test_examples_figure_can_be_saved(tmp_path):
    hardest_images_figure([make_example()], "Hardest", SCALE).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_examples_refuse_what_does_not_fit():
    example = make_example()
    with pytest.raises(ValueError, match=r"mask of 'cell0012.*\(4, 12\) and its image \(8, 12\)"):
        dataclasses.replace(example, mask=example.mask[:4])
    with pytest.raises(ValueError, match="no examples"):
        hardest_images_figure([], "Hardest", SCALE)


def test_summary_has_bars_of_measured_metrics_only():
    summary = pd.DataFrame(
        {"category": ["mono", "poly"], "image_auroc": [0.9, 0.8], "au_pro": [0.7, np.nan],
         "pixel_auroc": [np.nan, np.nan], "seconds": [3, 4]}
    )  # fmt: skip
    figure = summary_figure(summary)
    assert [bar.name for bar in figure.data] == ["image AUROC", "AU-PRO"]
    assert list(figure.data[0].x) == ["mono", "poly"]
    assert list(figure.data[0].y) == [0.9, 0.8]
    assert tuple(figure.layout.yaxis.range) == (0, 1)
