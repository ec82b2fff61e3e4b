import numpy as np
import pandas as pd
import pytest

from reb_pipeline.figures.comparison import comparison_figure
from reb_pipeline.figures.curves import GOOD_COLOUR

NAMES = ("memory_bank", "feature_reconstruction")
SCORES = pd.DataFrame({
    "id": list("abcde"),
    "label": [0, 0, 0, 1, 1],
    "defect_type": ["good", "good", "good", "hole", "crack"],
    "memory_bank": [1.0, 2.0, 3.0, 2.5, 9.0],
    "feature_reconstruction": [0.1, 0.3, 0.2, 0.5, 0.15],
    "image_score": [1.0, 2.0, 3.0, 4.0, 5.0],
})  # fmt: skip


def test_every_image_is_a_point_of_its_kind():
    figure = comparison_figure(SCORES, NAMES, "screw")
    assert [trace.name for trace in figure.data] == ["good (3)", "crack (1)", "hole (1)"]
    assert figure.data[0].marker.color == GOOD_COLOUR
    assert list(figure.data[0].x) == [1.0, 2.0, 3.0]
    assert list(figure.data[1].y) == [0.15]
    assert list(figure.data[2].customdata[0]) == ["d", 4.0]


def test_titles_tell_the_image_auroc_of_each():
    figure = comparison_figure(SCORES, NAMES, "screw")
    assert figure.layout.title.text == "screw, together: image AUROC 100.00 %"
    assert "memory bank (image AUROC 83.33 %)" in figure.layout.xaxis.title.text  # 5 of 6 pairs
    assert (
        "feature reconstruction (image AUROC 66.67 %)" in figure.layout.yaxis.title.text
    )  # 4 of 6


def test_lines_are_where_good_images_end():
    vertical, horizontal = comparison_figure(SCORES, NAMES, "screw").layout.shapes
    assert vertical.x0 == pytest.approx(np.quantile([1, 2, 3], 0.95))
    assert horizontal.y0 == pytest.approx(np.quantile([0.1, 0.2, 0.3], 0.95))


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only(label):
    figure = comparison_figure(SCORES[SCORES["label"] == label], NAMES, "screw")
    assert "one class only" in figure.layout.title.text
    assert len(figure.layout.shapes) == (2 if label == 0 else 0)
