import math

import plotly.io
import pytest

from reb_pipeline.figures.training import loss_figure, training_figure

HISTORY = {
    "updates": [
        {"update": 1, "loss": 1.5, "accuracy": 0.25, "learning_rate": 0.03},
        {"update": 2, "loss": 1.0, "accuracy": 0.5, "learning_rate": 0.02},
        {"update": 3, "loss": 0.5, "accuracy": 0.75, "learning_rate": 0.01},
    ],
    "validations": [
        {"update": 2, "loss": 1.25, "accuracy": 0.4, "class_accuracy": [0.6, 0.2]},
        {"update": 3, "loss": 0.75, "accuracy": 0.7, "class_accuracy": [0.8, 0.6]},
    ],
    "classes": ["good", "bezier+cut_paste"],
}


def traces_of(figure, panel):
    """(x, y) of every trace of a panel by its name."""
    axis = {"loss": "y", "accuracy": "y2"}[panel]
    return {
        trace.name: (list(trace.x), list(trace.y)) for trace in figure.data if trace.yaxis == axis
    }


def test_panels_show_the_history():
    figure = training_figure(HISTORY, "bolt: fine-tuning")
    assert figure.layout.title.text == "bolt: fine-tuning"
    assert traces_of(figure, "loss") == {
        "training": ([1, 2, 3], [1.5, 1.0, 0.5]),
        "validation": ([2, 3], [1.25, 0.75]),
    }
    assert traces_of(figure, "accuracy") == {
        "training": ([1, 2, 3], [0.25, 0.5, 0.75]),
        "good": ([2, 3], [0.6, 0.8]),
        "bezier+cut_paste": ([2, 3], [0.2, 0.6]),
        "validation": ([2, 3], [0.4, 0.7]),
    }
    assert len(figure.data) == 6


def test_panels_share_the_updates_and_tell_their_units():
    layout = training_figure(HISTORY, "bolt").layout
    assert layout.xaxis.matches == "x2"
    assert layout.xaxis.title.text is None
    assert layout.xaxis2.title.text == "updates (optimiser steps)"
    assert layout.yaxis.title.text == "loss (nats)"
    assert layout.yaxis2.title.text == "accuracy (% of images)"
    assert layout.yaxis.domain[0] > layout.yaxis2.domain[1]
    assert layout.width is None
    assert layout.height is None


def test_legend_has_every_name_once_and_the_bold_line_lies_on_top():
    figure = training_figure(HISTORY, "bolt")
    listed = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert sorted(listed) == ["bezier+cut_paste", "good", "training", "validation"]
    assert {trace.name for trace in figure.data if trace.legend == "legend2"} == {
        "good", "bezier+cut_paste",
    }  # fmt: skip
    validation = figure.data[-1]
    assert validation.name == "validation"
    assert validation.line.width > max(trace.line.width for trace in figure.data[:-2])
    # A click hides a line in both panels.
    assert {trace.legendgroup for trace in figure.data if trace.name == "training"} == {"training"}


def test_classes_of_the_paper_have_different_colours():
    classes = [f"kind {number}" for number in range(7)]
    validation = {"update": 3, "loss": 1.0, "accuracy": 0.5, "class_accuracy": [0.5] * 7}
    history = {**HISTORY, "validations": [validation], "classes": classes}
    colours = {
        trace.line.color for trace in training_figure(history, "bolt").data if trace.name in classes
    }
    assert len(colours) == 7
    assert not colours & {"#FF2D55", "#999999"}


def test_before_the_first_validation_there_is_the_training_alone():
    figure = training_figure({**HISTORY, "validations": []}, "bolt")
    drawn = {trace.name for trace in figure.data if len(trace.x)}
    assert drawn == {"training"}


def test_class_without_images_leaves_a_gap():
    validation = {**HISTORY["validations"][0], "class_accuracy": [0.6, math.nan]}
    figure = training_figure({**HISTORY, "validations": [validation]}, "bolt")
    assert math.isnan(traces_of(figure, "accuracy")["bezier+cut_paste"][1][0])
    assert '"y":[null]' in plotly.io.to_json(figure).replace(" ", "")


@pytest.mark.parametrize("classes", [[], ["good"]])
def test_without_updates_a_sentence_says_so(classes):
    history = {"updates": [], "validations": [], "classes": classes}
    figure = training_figure(history, "bolt")
    assert [note.text for note in figure.layout.annotations] == [
        "Fine-tuning is off for this category: its backbone keeps the weights it started from."
    ]
    assert not figure.data
    assert figure.layout.title.text == "bolt"
    assert figure.layout.xaxis.visible is False


def test_loss_alone():
    history = {
        "updates": [{"update": 1, "loss": 1.5, "learning_rate": 0.01}],
        "validations": [{"update": 1, "loss": 1.25}],
    }
    figure = loss_figure(history, "Reconstruction")
    assert figure.layout.title.text == "Reconstruction"
    assert traces_of(figure, "loss") == {"training": ([1], [1.5]), "validation": ([1], [1.25])}
    assert traces_of(figure, "accuracy") == {}
