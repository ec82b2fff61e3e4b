import re

import fsspec
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from reb_pipeline.core.text_lists import to_text
from reb_pipeline.figures.curves import roc_figure, score_histogram
from reb_pipeline.figures.examples import hardest_images_of
from reb_pipeline.figures.page import report_page
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.shown import SHOWN_SIDE
from reb_pipeline.metrics.at_threshold import at_threshold
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

METRICS = {
    "category": "bolt", "good_images": 12, "anomalous_images": 7, "has_masks": True,
    "image_auroc": 0.98765, "pixel_auroc": 0.5, "au_pro": None,
    "per_defect_type": {
        "scratch": {"image_auroc": 0.25, "pixel_auroc": None, "au_pro": None},
        "<b>hole</b>": {"image_auroc": 1.0, "pixel_auroc": 0.75, "au_pro": None},
    },
}  # fmt: skip
EVIL = "</script><script>alert('x')</script>"


def make_page(category="bolt", **changes):
    scores = pd.DataFrame({
        "image_score": [0.0, 1.0, 2.0], "label": [0, 1, 1], "defect_type": ["good", EVIL, "b"],
    })  # fmt: skip
    title = f"{category}: scores"
    figures = [roc_figure([0, 1], [0.0, 1.0], title), score_histogram(scores, title)]
    return report_page(category, {**METRICS, **changes}, figures, Figure())


def rows_of(page):
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def test_page_shows_the_category_and_its_numbers():
    page = make_page()
    assert "<title>bolt</title>" in page
    assert "12 good and 7 anomalous test images" in page
    assert rows_of(page) == [
        ["", "image auroc", "pixel auroc"],
        ["all defects", "98.77", "50.00"],
        ["scratch", "25.00", "–"],
        ["&lt;b&gt;hole&lt;/b&gt;", "100.00", "75.00"],
    ]
    assert "No masks" not in page
    assert "No masks: image metrics only." in make_page(has_masks=False)


def test_without_defective_images_there_is_no_table():
    page = make_page(anomalous_images=0, per_defect_type={})
    assert rows_of(page) == []
    assert "Without defective test images there is no metric" in page


def flagged(threshold):
    scores = pd.DataFrame({
        "image_score": [1.0, 6.0, 6.0, 2.0], "label": [0, 1, 1, 1],
        "defect_type": ["good", "scratch", "<b>hole</b>", "<b>hole</b>"],
    })  # fmt: skip
    return at_threshold(scores, threshold, 0.05, 59)


def test_page_says_what_is_found_and_missed_at_the_threshold():
    page = make_page(at_threshold=flagged(5.0))
    assert "from 59 good images, for a false-alarm rate of 5 %" in page
    rows = [row[:4] for row in rows_of(page)[:5]]
    assert rows == [
        ["", "images", "flagged", "not flagged"],
        ["good", "1", "0", "1"],
        ["all defects", "3", "2", "1"],
        ["&lt;b&gt;hole&lt;/b&gt;", "2", "1", "1"],
        ["scratch", "1", "1", "0"],
    ]
    assert rows_of(page)[2][4] == "66.67 (9.43–99.16)"


def test_page_without_a_threshold_says_so_and_counts_nothing():
    page = make_page(at_threshold=flagged(float("inf")))
    assert "<b>no threshold</b>: 59 good images cannot guarantee a false-alarm rate of 5 %" in page
    assert rows_of(page)[0] == ["", "image auroc", "pixel auroc"]


def test_page_says_that_the_threshold_of_f1max_is_chosen_by_test_labels():
    assert "oracle" not in make_page()
    assert "oracle" in make_page(image_f1_max=0.5)


def test_page_needs_no_network():
    page = make_page()
    # The Plotly library mentions addresses, but nothing is loaded from one.
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page)
    assert tags
    sources = [value for tag in tags for value in re.findall(r"\b(?:src|href)=['\"]?(\S+)", tag)]
    assert [source[:22] for source in sources] == ["data:image/png;base64,"]
    assert len(re.findall(r'id="figure-[01]"', page)) == 2
    assert 3e6 < len(page) < 8e6  # the library is there once


def test_page_escapes_what_names_hold():
    page = make_page(category=f"bolt & {EVIL}")
    assert f"<title>bolt &amp; {EVIL.replace('<', '&lt;').replace('>', '&gt;')}" in page.replace(
        "&#x27;", "'"
    )
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
