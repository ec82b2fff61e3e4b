"""Previews that Kedro-Viz draws: the kind of each is read from the annotation of what it returns."""

import base64
import inspect
import io
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from evaluated_parts import evaluated_parts
from reb_pipeline.datasets import AnomalyMapsDataset, PageDataset, TableDataset
from reb_pipeline.datasets.layouts.base import ImageFolderBase
from reb_pipeline.figures.page import report_page
from reb_pipeline.images.thumbnails import SIDE, thumbnail_sheet
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

RED = np.full((50, 100, 3), (255, 0, 0), np.uint8)


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        (ImageFolderBase, "ImagePreview"),
        (AnomalyMapsDataset, "ImagePreview"),
        (PageDataset, "HTMLPreview"),
        (TableDataset, "TablePreview"),
    ],
)
def test_kedro_viz_knows_the_kind(dataset, kind):
    assert inspect.signature(dataset.preview).return_annotation == kind


@pytest.mark.parametrize("n", [1, 2, 4, 8, 12])
def test_thumbnails_keep_their_proportions_on_a_sheet_of_three_to_two(n):
    sheet = opened(thumbnail_sheet((f"a caption that is too long {i}", RED) for i in range(n)))
    assert sheet.shape[1] == pytest.approx(1.5 * sheet.shape[0], abs=1)
    assert sheet.shape[0] * sheet.shape[1] < 3.5 * n * SIDE * SIDE  # not mostly paper
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == n * SIDE * SIDE // 2
    assert (sheet[SIDE : SIDE + 18] < 128).any()  # the captions


def test_maps_are_shown_on_one_scale_the_highest_first(tmp_path):
    scores = np.zeros((3, 8, 8), np.float32)
    scores[1, :4], scores[2] = 1, 3
    dataset = AnomalyMapsDataset(
        record="reb_pipeline.scoring.anomaly_maps.AnomalyMaps", filepath=str(tmp_path / "maps.npz")
    )
    dataset.save(AnomalyMaps(scores, ["low", "half", "high"], 64, 4.0))

    sheet = opened(base64.b64decode(dataset.preview())).astype(int)

    corners = [(0, 0), (0, SIDE + 4), (SIDE + 18, 0)]  # three maps in rows of two
    high, half, low = (sheet[y : y + SIDE, x : x + SIDE].sum(axis=2) for y, x in corners)
    assert high.min() > half[0].min() > half[-1].max() == low.max() == 3  # black, as most patches
    only = opened(base64.b64decode(dataset.preview(n=1)))
    assert only.shape[0] < sheet.shape[0]


def test_a_page_is_shown_without_scripts_and_what_they_draw(tmp_path):
    dataset = PageDataset(filepath=str(tmp_path / "page.html"))
    dataset.save(
        "<!doctype html><html><head><title>no</title><style>no</style></head><body><h1>metal_nut</h1>\n"
        "<script>no\n</script><noscript>no</noscript><main>no</main><table><tr><td>0.99</td></tr></table>"
        "<img src='data:image/png;base64,ab+/='></body></html>"
    )
    assert dataset.preview() == (
        "<h1>metal nut</h1> <table><tr><td>0.99</td></tr></table><img src='data:image/png;base64,ab+/='>"
    )


def test_a_fragment_is_a_page_too(tmp_path):
    dataset = PageDataset(filepath=str(tmp_path / "page.html"))
    dataset.save("<p>nothing\nelse</p>")
    assert dataset.preview() == "<p>nothing else</p>"


def test_of_a_training_report_the_tables_and_the_curve_are_shown(tmp_path):
    dataset = PageDataset(filepath=str(tmp_path / "page.html"))
    dataset.save(report_page(evaluated_parts(), {}))
    preview = dataset.preview()
    assert preview.count("<table>") == 3
    assert "At the calibrated threshold" in preview
    assert "<svg" in preview
    assert "gallery" not in preview
    assert len(preview) < 10_000


def test_of_an_inspection_report_the_facts_are_shown(tmp_path):
    dataset = PageDataset(filepath=str(tmp_path / "page.html"))
    dataset.save((files("reb_pipeline.inspection") / "page/page.html").read_text())
    assert dataset.preview() == (
        "<header> <h1>@@title@@</h1> <p>@@facts@@</p> <p>@@promise@@</p> </header>"
    )
