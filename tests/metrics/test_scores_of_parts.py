"""Counts of found defects and false alarms, by parts where these have several views."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.metrics.at_threshold import at_threshold, doubtful_text, unlike_calibration
from reb_pipeline.metrics.image import image_metrics
from reb_pipeline.metrics.parts import scores_of_parts
from reb_pipeline.metrics.report import about_left_out, evaluate


def table(rows):
    """Part, defect type or good, score of each image."""
    found = pd.DataFrame(rows, columns=["part", "defect_type", "image_score"])
    label = (found["defect_type"] != "good").astype(int)
    ids = [f"{part}_{number}" for number, part in enumerate(found["part"])]
    return found.assign(id=ids, label=label, mask_paths="[]", width=8, height=8)


ROWS = [
    *(("g1", "good", 0.2), ("g1", "good", 0.9)),
    *(("g2", "good", 0.1), ("g2", "good", 0.3)),
    *(("d1", "dent", 0.1), ("d1", "good", 0.8)),
    *(("d2", "good", 0.4), ("d2", "hole", 0.3)),
]


def test_a_part_is_its_worst_view_and_defective_if_any_view_is():
    found = scores_of_parts(table(ROWS)).set_index("part")
    assert found["image_score"].to_dict() == {"g1": 0.9, "g2": 0.3, "d1": 0.8, "d2": 0.4}
    assert found["label"].to_dict() == {"g1": 0, "g2": 0, "d1": 1, "d2": 1}
    assert found["defect_type"].tolist() == ["good", "good", "dent", "hole"]
    assert found["id"].tolist() == ["g1_1", "g2_3", "d1_5", "d2_6"]


def test_parts_that_would_be_undecided_or_flagged_less_are_not_counted():
    more = [("g3", "good", 0.9), *[("d3", "dent", 0.9)] * 3, ("d4", "dent", 0.9)]
    found = scores_of_parts(table([*ROWS, *more]))
    assert found["part"].tolist() == ["g1", "g2", "d1", "d2", "d4"]
    assert scores_of_parts(table(ROWS), per_part=3)["part"].tolist() == ["d1", "d2"]


def test_images_without_parts_stay_as_they_are():
    images = table(ROWS).drop(columns="part")
    assert scores_of_parts(images) is images


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_score_of_a_part_is_the_highest(rows):
    scores = table([(part, "dent", score) for part, score in rows])
    found = scores_of_parts(scores).set_index("part")["image_score"].to_dict()
    assert found == {part: max(s for p, s in rows if p == part) for part, _ in rows}


def test_counts_at_the_threshold_are_those_of_parts():
    parts = scores_of_parts(table(ROWS))
    report = at_threshold(parts, 0.5, 0.05, calibration_images=19)
    assert report["units"] == "parts"
    assert (report["false_alarms"]["flagged"], report["false_alarms"]["images"]) == (1, 2)
    assert (report["found"]["flagged"], report["found"]["images"]) == (1, 2)
    assert report["per_defect_type"]["hole"]["flagged"] == 0
    assert "units" not in at_threshold(parts.drop(columns="part"), 0.5, 0.05, 19)
    beyond = at_threshold(parts, 0.2, 0.1, 19)
    assert doubtful_text({**report, "doubtful": beyond}).startswith(
        "doubtful: 1 of 2 good test parts"
    )
    many = at_threshold(
        scores_of_parts(table([(f"g{n}", "good", 1) for n in range(9)])), 0.5, 0.05, 19
    )
    assert "like the parts that calibrate" in unlike_calibration(many)


class _Maps:
    def at(self, image_id, shape):
        return np.zeros(shape, np.float32)


class _Masks:
    category, has_regions = "bolt", False


def test_image_metrics_are_those_of_parts():
    limits = {"pro_fpr_limit": 0.3, "spro_fpr_limit": 0.05, "description": None}
    scores = table(ROWS)
    report = evaluate(scores, _Maps(), _Masks(), **limits)
    parts = scores_of_parts(scores)
    expected = image_metrics(parts["label"], parts["image_score"])
    assert report["image_auroc"] == expected["image_auroc"]
    assert (report["good_images"], report["anomalous_images"], report["units"]) == (2, 2, "parts")
    assert (report["parts_left_out"], about_left_out(report)) == (0, [])
    others = [("g3", "good", 0.9), *[("d3", "dent", 0.9)] * 3]
    (note,) = about_left_out(evaluate(table([*ROWS, *others]), _Maps(), _Masks(), **limits))
    assert note.startswith("2 test parts of several views have too many of them, or are good and")
    (note,) = about_left_out(evaluate(table([*ROWS, *others[1:]]), _Maps(), _Masks(), **limits))
    assert note.startswith(
        "1 test part of several views has too many of them, or is good and lacks"
    )
    assert "units" not in evaluate(scores.drop(columns="part"), _Maps(), _Masks(), **limits)
