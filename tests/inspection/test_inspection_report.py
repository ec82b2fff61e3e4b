"""The page holds what was found, whatever is in the names, and stays small."""

import base64
import io
import json
import re

import pytest
from fake_inspector import FakeInspector, make_calibration, write_folder, write_part
from PIL import Image

from reb_pipeline.inspection import report
from reb_pipeline.inspection.folder import inspect_folder
from reb_pipeline.inspection.report import report_page


def make_page(folder, inspector=None):
    inspector = inspector or FakeInspector()
    files = {}
    inspected = inspect_folder(inspector, str(folder), files)
    return report_page(inspector, str(folder), inspected, files)


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def size_of(file):
    with Image.open(io.BytesIO(base64.b64decode(file))) as image:
        return image.size


def test_page_holds_every_image(tmp_path):
    inspector = FakeInspector()
    page = make_page(write_folder(tmp_path / "photos"), inspector)
    data = data_of(page)
    assert data["threshold"] == inspector.image_threshold
    assert data["calibration"] == sorted(inspector.calibration.image_scores.tolist())
    images = {image["path"]: image for image in data["images"]}
    assert len(images) == 9
    assert images["broken.png"]["view"] is None
    assert "broken.png" in images["broken.png"]["error"]
    bad = images["line 2/bad1.png"]
    assert bad["score"] > inspector.image_threshold
    assert size_of(bad["view"]["thumbnail"]) == size_of(bad["large"]) == (96, 48)  # never enlarged
    assert len(bad["view"]["defects"]) == len(bad["view"]["outlines"]) == 1
    assert [good["distance"] for good in bad["view"]["nearest"]] == [0.5, 1.0, 1.5]
    assert max(size_of(bad["view"]["worst"])) <= 96
    good = images["good 0.png"]["view"]
    assert (good["worst"], good["nearest"], good["defects"]) == (None, [], [])


def test_page_and_table_show_the_part_of_the_whole_image_where_there_is_one(tmp_path):
    folder = write_folder(tmp_path / "photos")
    branch = FakeInspector(calibration=make_calibration(scoring={"global_branch": "parts"}))
    files = {}
    inspected = inspect_folder(branch, str(folder), files)
    rows = {one.row["path"]: one.row for one in inspected}
    scored = [row for row in rows.values() if row["image_score"] is not None]
    assert [row["global_score"] for row in scored] == [row["image_score"] / 4 for row in scored]
    assert rows["broken.png"]["global_score"] is None
    page = report_page(branch, str(folder), inspected, files)
    assert data_of(page)["global_part"]
    assert {one["path"]: one["global"] for one in data_of(page)["images"]} == {
        path: row["global_score"] for path, row in rows.items()
    }
    assert "<dt>global part</dt>" in page
    without = make_page(folder)
    assert not data_of(without)["global_part"]
    assert "<dt>global part</dt>" not in without


def test_page_needs_nothing_else(tmp_path):
    page = make_page(write_folder(tmp_path / "photos"))
    assert "default-src 'none'" in page
    addresses = set(re.findall(r"https?://[^\"'\s]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, nothing is loaded from there
    assert "@@" not in page


def test_large_images_and_thumbnails_are_of_the_most_suspicious(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "LARGE_IMAGES", 2)
    monkeypatch.setattr(report, "SHOWN_IMAGES", 4)
    data = data_of(make_page(write_folder(tmp_path / "photos")))
    images = sorted(
        (image for image in data["images"] if not image["error"]), key=lambda one: -one["score"]
    )
    assert ["large" in image for image in images] == [True] * 2 + [False] * 6
    assert [bool(image["view"]) for image in images] == [True] * 4 + [False] * 4


def test_names_end_no_element(tmp_path):
    folder = tmp_path / "photos"
    names = ["</script>.png", '"><img src=x onerror=alert(1)>.png', "<!--.png", "@@data@@.png"]
    for name in names:
        write_part(folder / name)
    inspector = FakeInspector(name="<b>bolt</b>")
    page = make_page(folder, inspector)
    assert {image["path"] for image in data_of(page)["images"]} == set(names)
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<!--" not in page
    assert "Inspection: &lt;b&gt;bolt&lt;/b&gt;" in page


def test_page_without_a_threshold(tmp_path):
    inspector = FakeInspector(calibration=make_calibration(n=5))
    page = make_page(write_folder(tmp_path / "photos"), inspector)
    data = data_of(page)
    assert data["threshold"] is None
    assert "cannot be promised" in page
    assert "0 good, 0 defective, 8 undecided, 1 unreadable." in page
    reasons = [image["reason"] for image in data["images"] if not image["error"]]
    assert set(reasons) == {inspector.calibration.statement()}


@pytest.mark.parametrize("n", [0, 1])
def test_page_with_hardly_any_calibration(tmp_path, n):
    inspector = FakeInspector(calibration=make_calibration(n=n))
    page = make_page(write_folder(tmp_path / "photos"), inspector)
    assert len(data_of(page)["calibration"]) == n
