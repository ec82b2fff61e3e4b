"""The report of a training, and the figure of the hardest images."""

import json
import re
from dataclasses import replace
from html import escape

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evaluated_parts import EVIL, FAULT, evaluated_parts
from reb_pipeline.core.text_lists import to_text
from reb_pipeline.figures import page as module
from reb_pipeline.figures.examples import hardest_images_of
from reb_pipeline.figures.page import report_page
from reb_pipeline.figures.suspects import SHOWN, suspects_section
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.shown import SHOWN_SIDE
from reb_pipeline.metrics.at_threshold import flagged_share
from reb_pipeline.metrics.detection_probability import detection_report
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

SETTINGS = {"scoring": {"alpha": 0.5}, "features": {"backbone": EVIL}}


def make_page(**changes):
    return report_page(evaluated_parts(**changes), SETTINGS)


def rows_of(page):
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_page_counts_what_is_found_and_missed_at_the_threshold():
    page = make_page()
    rows = rows_of(page)
    assert "12 good and 9 anomalous test images" in page
    assert "for a false-alarm rate of 5 %" in page
    assert rows[:3] == [
        ["test images", "flagged", "not flagged"],
        ["defective (9)", "6", "3"],
        ["good (12)", "1", "11"],
    ]
    assert [row[:4] for row in rows[3:8]] == [
        ["", "images", "flagged", "not flagged"],
        ["all defects", "9", "6", "3"],
        [f"{EVIL.replace('<', '&lt;').replace('>', '&gt;')}".replace("'", "&#x27;"), "3", "3", "0"],
        ["scratch", "6", "3", "3"],
        ["good", "12", "1", "11"],
    ]
    assert rows[5][4] == "100.00 (29.24–100.00)"
    assert "Of 99 good images" in page  # the sentence of the calibration
    assert "<circle" in page  # the threshold on the ROC curve


def test_page_says_that_good_test_images_are_not_like_those_that_calibrate():
    parts, note = evaluated_parts(), "More good test images are flagged than 5 % and chance explain"
    assert note not in report_page(parts, SETTINGS)
    flagged = {**parts.metrics["at_threshold"], "false_alarms": flagged_share(9, 12)}
    metrics = {**parts.metrics, "at_threshold": flagged}
    assert note in report_page(replace(parts, metrics=metrics), SETTINGS)


def test_page_of_parts_with_several_views_counts_parts():
    parts = evaluated_parts()
    page = report_page(replace(parts, metrics={**parts.metrics, "units": "parts"}), SETTINGS)
    assert "<h2>All test parts</h2>" in page
    assert "Each part is shown by its worst view." in page
    assert "<h2>All test images</h2>" in make_page()


def test_doubtful_images_have_a_column_of_both_tables():
    page = report_page(evaluated_parts(doubtful_rate=0.9), SETTINGS)
    cells = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", page)]
    # Defects of 0.31, 0.34 and 0.37, and good parts from 0.3 on, are above the lower threshold.
    assert ["defective (9)", "6", "3", "0"] in cells
    assert ["good (12)", "1", "6", "5"] in cells
    assert ["scratch", "6", "3", "3", "0"] in [row[:5] for row in cells]
    assert ">doubtful</th>" in page
    assert "doubtful</dt>" in page
    assert (
        "doubtful"
        not in report_page(evaluated_parts(), SETTINGS).split("<script")[0].split("</style>")[1]
    )


def test_the_oddest_good_images_are_shown_with_what_to_do():
    names = [EVIL, *(f"good/{number}" for number in range(SHOWN)), "gone"]
    suspects = pd.DataFrame(
        {
            "image": names,
            "score": 1.0,
            "p_value": [1e-9, *[0.5] * (SHOWN + 1)],
            "suspect": ["yes", *["no"] * (SHOWN + 1)],
            "leave_out": "no",
        }
    )
    samples = pd.DataFrame({"id": names[:-1], "path": names[:-1], "split": "train"})
    evaluated = evaluated_parts()
    part = suspects_section(suspects, samples, evaluated.images)
    page = report_page(replace(evaluated, suspects=part), SETTINGS)
    captions = re.findall("<figcaption>(.*?): (suspect, )?p = (.*?)</figcaption>", part)
    assert captions[0] == (escape(EVIL), "suspect, ", "1e-09")
    assert [name for name, *_ in captions[1:]] == names[1:SHOWN]
    assert part.count("<img src='data:image/jpeg;base64,") == SHOWN
    assert f"Suspects among {len(names)} good images: 1." in part
    assert "ingestion.leave_out=FILE" in part
    assert EVIL not in part
    assert part in page
    lost = suspects.assign(image=["gone", *names[1:]])  # not among the samples any more
    assert "gone" not in suspects_section(lost, samples, evaluated.images)


def test_page_lists_the_cut_off_of_each_zone():
    assert "Cut-offs of the zones" not in make_page()
    cut_offs = {EVIL: {"patches": 9, "image": 1.23456789, "pixel": None}}
    page = report_page(replace(evaluated_parts(), cut_offs=cut_offs), SETTINGS)
    assert [escape(EVIL), "9", "1.2346", "–"] in rows_of(page)


def test_page_states_the_sizes_that_are_found_where_they_were_measured():
    rng = np.random.default_rng(0)
    lengths = rng.uniform(3, 60, 200)
    draws = pd.DataFrame(
        {"image_id": np.arange(200) % 20, "kind": EVIL, "contrast": 20.0, "drawn_contrast": 20.0,
         "length": lengths, "score": np.where(lengths > rng.uniform(5, 30, 200), 2.0, 0.5)}
    )  # fmt: skip
    report = detection_report(draws, 1.0, 0.05, None)
    page = report_page(replace(evaluated_parts(), detection_probability=report), SETTINGS)
    (curve,) = report["curves"]
    assert f"longer than {curve['a90_95']:.3g} px are found in 90 % of cases" in page
    found = f"{curve['found']} of 200"
    numbers = [f"{curve[name]:.3g}" for name in ("a50", "a90", "a90_95")]
    assert [row[1:] for row in rows_of(page) if found in row] == [["20", found, *numbers]]
    assert EVIL not in page
    assert "Sizes of defects that are found" not in make_page()


def test_page_shows_the_part_of_the_whole_image_where_there_is_one():
    parts = evaluated_parts()
    scores = parts.scores.assign(global_score=parts.scores["image_score"] / 4)
    calibration = replace(parts.calibration, scoring={"global_branch": "parts"})
    page = report_page(replace(parts, scores=scores, calibration=calibration), SETTINGS)
    assert data_of(page)["global_part"]
    assert all(one["global"] == one["score"] / 4 for one in data_of(page)["images"])
    assert "<dt>global part</dt>" in page
    assert not data_of(make_page())["global_part"]
    assert "<dt>global part</dt>" not in make_page()


def test_page_without_a_threshold_says_so_and_counts_nothing():
    page = make_page(n_calibration=5)
    assert "<b>no threshold</b>: 5 good images cannot guarantee a false-alarm rate of 5 %" in page
    assert rows_of(page)[0][:2] == ["", "image AUROC"]
    assert data_of(page)["threshold"] is None
    assert "<circle" not in page


def test_without_defective_images_there_is_neither_table_nor_curve():
    page = make_page(defective=0)
    assert "Without defective test images there is no metric" in page
    assert "class='roc'" not in page
    assert [row[0] for row in rows_of(page)] == ["test images", "good (12)", "", "good"]


def test_annotations_are_there_only_with_masks():
    with_masks, without = (data_of(make_page(masks=masks)) for masks in (True, False))
    views = {image["path"]: image["view"] for image in with_masks["images"]}
    assert len(views["defective/0"]["annotated"]) == 1
    assert "annotated" not in views["good/0"]
    assert not any("annotated" in image["view"] for image in without["images"])
    assert "No masks: image metrics only." in make_page(masks=False)
    assert "pixel AUROC</th>" not in make_page(masks=False)


def test_the_hardest_images_come_first_and_large(monkeypatch):
    monkeypatch.setattr(module, "LARGE_IMAGES", 2)
    monkeypatch.setattr(module, "SHOWN_IMAGES", 4)
    images = data_of(make_page())["images"]
    threshold = data_of(make_page())["threshold"]
    wrong = [one for one in images if (one["score"] > threshold) != bool(one["label"])]
    assert images[: len(wrong)] == wrong
    assert ["large" in image for image in images[:3]] == [True, True, False]
    assert [bool(image["view"]) for image in images[:5]] == [True] * 4 + [False]


def test_parts_that_cannot_be_aligned_are_shown_with_the_reason_and_not_counted():
    unaligned = ("good/11", "defective/0", "defective/2")  # the false alarm, and two that are found
    page = make_page(unaligned=unaligned)
    rows = rows_of(page)
    assert "11 good and 7 anomalous test images" in page
    assert (
        "3 test images (1 good, 2 defective) cannot be aligned and are undecided: neither found nor missed, and left "
        "out of the metrics." in page
    )
    assert rows[1:3] == [["defective (7)", "4", "3"], ["good (11)", "0", "11"]]
    assert "<dt>undecided</dt>" in page
    images = {image["path"]: image for image in data_of(page)["images"]}
    for name in unaligned:
        image = images[name]
        assert (image["score"], image["reason"], image["area"]) == (None, FAULT, 0)
        assert image["large"]
        assert image["view"]["thumbnail"]
        assert (image["view"]["heat"], image["view"]["outlines"]) == (None, [])
    assert images["defective/3"]["reason"] == ""
    assert images["defective/3"]["view"]["outlines"]


def test_page_says_with_what_it_was_made():
    page = make_page()
    assert "<dt>scoring.alpha</dt><dd>0.5</dd>" in page
    assert re.search(r"<dt>page written</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d UTC</dd>", page)
    assert re.search(r"<dt>versions</dt><dd>reb_pipeline \d", page)


def test_page_says_that_the_threshold_of_f1max_is_chosen_by_test_labels():
    assert "F1max is at the best threshold" in make_page()


def test_page_needs_no_network_and_is_small():
    page = make_page()
    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "@@" not in page
    assert len(page) < 500_000


def test_page_escapes_what_names_hold():
    page = make_page(category=f"bolt & {EVIL}")
    assert "<title>Evaluation: bolt &amp; &lt;/script&gt;" in page
    assert page.count("</script>") == 2
    assert "<script>alert" not in page


class Images:
    """Grey images with a mask in the middle."""

    def open_image(self, path):
        return np.full((16, 16, 3), 90, np.uint8)

    def open_mask(self, mask_paths):
        return np.pad(np.ones((4, 4), bool), 6)


def make_scores(**images):
    """One row an image: its label, and its mask if it has one."""
    return pd.DataFrame([
        {
            "id": name, "path": f"{name}.png", "label": label, "mask_paths": to_text(masks),
            "defect_type": "hole" if label else "good", "image_score": float(number),
        }
        for number, (name, (label, masks)) in enumerate(images.items())
    ])  # fmt: skip


def draw(scores, patch_scores, images=None, **thresholds):
    maps = AnomalyMaps(patch_scores, scores["id"].tolist(), size=64, sigma=0.0)
    return hardest_images_of(
        scores, maps, images or Images(), per_kind=3, title="Hardest", **thresholds
    )


def test_colours_lie_around_the_threshold_and_the_good_pixels():
    scores = make_scores(a=(0, []), b=(0, []), bad=(1, ["m"]))
    patch_scores = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    patch_scores[2, 30:40, 30:40] = 9
    norm = draw(scores, patch_scores).axes[2].images[0].norm
    good = patch_scores[:2, ::8, ::8]
    low, middle = np.quantile(good, [0.5, 0.999])
    assert (norm.vmin, norm.vcenter) == pytest.approx((low, middle))
    assert norm.vmax == pytest.approx(9, abs=0.5)  # of the map at the size that is drawn
    norm = draw(scores, patch_scores, pixel_threshold=4.0).axes[2].images[0].norm
    assert (norm.vmin, norm.vcenter) == pytest.approx((low, 4.0))


def test_rows_tell_scores_in_thresholds():
    scores = make_scores(a=(0, []), bad=(1, []))
    figure = draw(scores, np.zeros((2, 8, 8), np.float32), threshold=0.4)
    assert [axis.texts[0].get_text() for axis in figure.axes[:6:3]] == [
        "a · highest good · good · score 0: 0.00 × the threshold",
        "bad · lowest anomalous · hole · score 1: 2.50 × the threshold",
    ]


@pytest.mark.parametrize(
    ("shape", "compressed"), [((1250, 55), True), ((64, 2560), True), ((3648, 5472), False)]
)
def test_pictures_hold_what_is_shown_and_no_more(tmp_path, shape, compressed):
    for name in ("image.jpg", "mask.png"):
        Image.new("L", shape[::-1], 255).save(tmp_path / name)
    scores = make_scores(a=(0, []), bad=(1, ["mask.png"])).assign(
        path="image.jpg", height=shape[0], width=shape[1]
    )
    images = ImageCollection(fsspec.filesystem("file"), str(tmp_path), "bolt", [], [], {})
    figure = draw(scores, np.zeros((2, 8, 8), np.float32), images)
    pictures = [image.get_array() for axis in figure.axes[:8] for image in axis.images]
    assert len(pictures) == 2 * 5  # the overlay has two
    assert all(max(picture.shape[:2]) <= SHOWN_SIDE for picture in pictures)
    assert pictures[6].all()  # the mask
    assert figure.get_figheight() < 2 * 4.8 + 1
    assert figure.axes[0].texts[0].get_text().endswith("not to scale") == compressed
