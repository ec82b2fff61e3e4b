"""The report as a user has it: opened from the disk in a browser."""

import copy
import csv
import io
import json
import time
from dataclasses import replace

import numpy as np
import pytest
from fake_inspector import FakeInspector, make_calibration, part, write_folder, write_part
from PIL import Image

from browsing import cards, press, saved
from reb_pipeline.calibration.parts import Views
from reb_pipeline.inspection.folder import Inspected, inspect_folder
from reb_pipeline.inspection.marks import read_marks
from reb_pipeline.inspection.report import report_page
from reb_pipeline.inspection.threshold import ChosenThreshold

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
MANY = 2000


@pytest.fixture
def inspected_folder(tmp_path):
    """(inspector, inspected, files) of five good images, three defective ones and a broken one."""
    inspector, files = FakeInspector(), {}
    folder = write_folder(tmp_path / "photos")
    return inspector, inspect_folder(inspector, str(folder), files), files


@pytest.fixture
def page(open_report, inspected_folder):
    inspector, inspected, files = inspected_folder
    return open_report(report_page(inspector, "photos", inspected, files))


def test_page_opens_with_every_image(page):
    assert page.title() == "Inspection: bolt"
    assert len(cards(page)) == 9
    assert page.locator("#gallery .card.defective").count() == 3
    assert page.locator("header").inner_text().count("9 images inspected: 5 good, 3 defective") == 1
    sizes = page.locator("#gallery img").evaluate_all(
        "all => Promise.all(all.map(one => one.decode().then(() => one.naturalWidth)))"
    )
    assert len(sizes) == 16  # a photo and a heat layer of each that could be read
    assert set(sizes) == {96}
    bars = page.locator("#histogram rect").count()
    assert page.locator("#histogram rect.above").count() in range(1, bars)


def test_strips_are_compressed_so_that_the_page_does_not_become_endless(open_report, tmp_path):
    inspector, files = FakeInspector(), {}
    folder = tmp_path / "strips"
    folder.mkdir()
    for name, share, size in (("high", 0.02, (1250, 55)), ("wide", 0.5, (55, 1250))):
        Image.fromarray(part(share, size=size)).save(folder / f"{name}.png")
    inspected = inspect_folder(inspector, str(folder), files)
    page = open_report(report_page(inspector, "strips", inspected, files))
    boxes = [one.bounding_box() for one in page.locator("#gallery .card .picture").all()]
    assert sorted(box["height"] / box["width"] for box in boxes) == pytest.approx(
        [1 / 3, 3], rel=0.02
    )
    page.locator("#gallery .card").first.click()
    shown = page.locator("#detail .picture").bounding_box()
    assert max(shown["height"] / shown["width"], shown["width"] / shown["height"]) < 3.1
    assert min(shown["height"], shown["width"]) > 100


COUNTS = {"defective": 3, "undecided": 0, "good": 5, "unreadable": 1, "all": 9}


@pytest.mark.parametrize(("verdict", "count"), COUNTS.items())
def test_filter_by_verdict(page, verdict, count):
    press(page, "filters", verdict)
    assert len(cards(page)) == count
    pressed = page.locator("#filters button[aria-pressed=true]")
    assert pressed.inner_text() == f"{verdict} ({count})"
    if verdict == "unreadable":
        assert "cannot be decoded" in page.locator("#gallery .card").inner_text()


def test_sort_orders(page, inspected_folder):
    rows = [one.row for one in inspected_folder[1]]
    assert cards(page)[0] == "line 2/bad2.png"  # score is the first order
    assert cards(page)[-1] == "broken.png"
    page.select_option("#sort", "path")
    assert cards(page) == sorted(row["path"] for row in rows)
    page.select_option("#sort", "area")
    assert cards(page)[:3] == [f"line 2/bad{n}.png" for n in (2, 1, 0)]
    page.select_option("#sort", "seconds")
    assert cards(page)[-1] == "broken.png"


@pytest.mark.parametrize("position", [0, 150, 400, 1000])
def test_slider_counts_what_would_be_flagged(page, inspected_folder, position):
    inspector, inspected, _ = inspected_folder
    scores = np.array([one.row["image_score"] for one in inspected if one.key])
    good = inspector.calibration.image_scores.astype(float)
    low, high = min(scores.min(), good.min()), max(scores.max(), good.max())
    threshold = np.inf if position == 1000 else low + (high - low) * position / 1000
    flagged = (scores > threshold).sum()
    expected = 100 * (1 + (good > threshold).sum()) / 100

    page.locator("#threshold").fill(str(position))

    text = page.locator("#counts").inner_text()
    assert text.startswith(f"{flagged} of 8 would be flagged; of 100 good parts at most about ")
    assert float(text.split("about ")[1].split(" are")[0]) == pytest.approx(expected, abs=0.5)
    assert "not the calibrated one" in text
    assert page.locator("#gallery .card.defective").count() == flagged
    assert f"defective ({flagged})" in page.locator("#filters").inner_text()

    page.locator("#calibrated").click()
    text = page.locator("#counts").inner_text()
    assert text.startswith("3 of 8 would be flagged; of 100 good parts at most about 5.0 are")
    assert page.locator("#calibrated").is_hidden()
    assert page.locator("#gallery .card.defective").count() == 3


def test_detail_by_mouse(page):
    page.locator("#gallery .card").first.click()
    detail = page.locator("#detail")
    assert detail.is_visible()
    assert page.locator("#detail-name").inner_text() == "line 2/bad2.png"
    assert detail.locator(".picture img").count() == 2
    assert detail.locator(".picture rect").count() == 1
    assert detail.locator(".picture polygon").count() >= 1
    press(page, "detail-views", "image")
    assert detail.locator(".picture > *").count() == 1
    press(page, "detail-views", "map")
    assert detail.locator(".picture > *").count() == 1
    press(page, "detail-views", "overlay")
    facts = page.locator("#detail-facts").inner_text()
    assert "defective" in facts
    assert "overlays/line 2/bad2.png-" in facts
    assert detail.locator("tbody tr, table tr").count() == 2
    captions = detail.locator("figcaption").all_inner_texts()
    assert captions == ["this image", *(f"good/<{i}>\ndistance {0.5 * (i + 1):g}" for i in range(3))]  # fmt: skip
    page.locator("#close").click()
    assert detail.is_hidden()


def test_detail_by_keyboard(page):
    order = cards(page)
    page.locator("#gallery .card").first.focus()
    page.keyboard.press("Enter")
    name = page.locator("#detail-name")
    assert name.inner_text() == order[0]
    page.keyboard.press("ArrowLeft")
    assert name.inner_text() == order[0]
    for expected in order[1:]:
        page.keyboard.press("ArrowRight")
        assert name.inner_text() == expected
    assert "cannot be decoded" in page.locator("#detail-facts").inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("m")
    assert page.locator("#detail .picture img").count() == 1
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#detail")).to_be_hidden()
    playwright.expect(page.locator(f"#gallery .card[title='{order[-2]}']")).to_be_focused()


def test_names_are_shown_as_they_are(open_report, tmp_path):
    names = ["</script>.png", '"><img src=x onerror=alert(1)>.png', "ü <b>x</b> &amp; 'q'.png"]
    for name in names:
        write_part(tmp_path / "photos" / name, defect=0.5)
    inspector, files = FakeInspector(name="<i>"), {}
    inspected = inspect_folder(inspector, str(tmp_path / "photos"), files)
    page = open_report(report_page(inspector, "<s>", inspected, files))
    assert page.title() == "Inspection: <i>"
    assert sorted(cards(page)) == sorted(names)
    assert sorted(page.locator("#gallery .name").all_inner_texts()) == sorted(names)
    page.locator("#gallery .card").first.click()
    assert page.locator("#detail-name").inner_text() in names


@pytest.mark.parametrize("n", [0, 6])
def test_every_part_is_undecided_without_a_threshold(open_report, tmp_path, n):
    inspector, files = FakeInspector(calibration=make_calibration(n=n)), {}
    inspected = inspect_folder(inspector, str(write_folder(tmp_path / "photos")), files)
    page = open_report(report_page(inspector, "photos", inspected, files))
    counts, slider = page.locator("#counts"), page.locator("#threshold")
    nothing = (
        f"0 of 8 would be flagged; without a threshold no part can be ({n} calibration images)."
    )
    undecided = (
        " The model has no threshold of its own, so every part that can be read is undecided."
    )
    assert counts.inner_text() == nothing + undecided
    assert page.locator("#filters button[value=undecided]").inner_text() == "undecided (8)"
    slider.fill("0")  # a threshold may be tried, but is no verdict
    assert "8 would be flagged; of 100 good parts" in counts.inner_text()
    assert counts.inner_text().endswith(undecided)
    slider.fill("1000")
    assert counts.inner_text() == nothing + undecided
    page.locator("#gallery .card").first.click()
    assert "cannot be promised" in page.locator("#detail-facts").inner_text()
    for name in ("good", "defective"):
        assert page.locator(f"#gallery .badge.{name}").count() == 0
    assert page.locator("#gallery .card.undecided").count() == 8


def test_it_follows_the_colours_of_the_system(page):
    def brightness():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(",")))

    page.emulate_media(color_scheme="light")
    light = brightness()
    page.emulate_media(color_scheme="dark")
    assert brightness() + 500 < light


def test_two_thousand_images(open_report, inspected_folder):
    inspector, inspected, files = inspected_folder
    known = [one for one in inspected if one.key]
    many = []
    for number in range(MANY):
        one = copy.deepcopy(known[number % len(known)])
        many.append(Inspected({**one.row, "path": f"part {number:04}.png"}, one.key))
    start = time.monotonic()
    page = open_report(report_page(inspector, "photos", many, files))
    assert len(cards(page)) == 60
    assert time.monotonic() - start < 30  # about one second on an idle machine
    assert page.evaluate("document.querySelectorAll('*').length") < 2000
    assert page.locator("#page").inner_text() == "Page 1 of 34"

    press(page, "filters", "defective")
    assert page.locator("#filters button[value=defective]").inner_text() == "defective (750)"
    page.locator("#next-page").click()
    assert page.locator("#page").inner_text() == "Page 2 of 13"
    page.locator("#gallery .card").last.click()
    page.keyboard.press("ArrowRight")  # beyond the page
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#page")).to_have_text("Page 3 of 13")
    assert page.evaluate("document.querySelectorAll('*').length") < 2000


def test_the_threshold_is_moved_and_saved_by_the_keyboard(page, inspected_folder):
    inspector, inspected, _ = inspected_folder
    page.locator("#threshold").focus()
    page.keyboard.press("Home")
    assert page.locator("#save-threshold").is_enabled()
    for _ in range(3):
        page.keyboard.press("PageUp")
    slider = page.locator("#threshold").input_value()
    assert float(slider) > 0
    while page.locator("*:focus").get_attribute("id") != "save-threshold":
        page.keyboard.press("Tab")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    name, content = started.value.suggested_filename, started.value.path().read_bytes()
    assert name == "threshold.json"
    chosen = ChosenThreshold.read(content, name)
    model = inspector.model_id, inspector.calibration
    assert chosen == ChosenThreshold.of(*model, chosen.image_threshold)
    scores = [one.row["image_score"] for one in inspected if one.key]
    flagged = sum(score > chosen.image_threshold for score in scores)
    assert page.locator("#counts").inner_text().startswith(f"{flagged} of 8 would be flagged")
    rate = f"{100 * chosen.false_alarm_rate:.4g} %"
    assert rate in page.locator("#said").inner_text()
    page.locator("#threshold").fill("1000")  # nothing would be flagged: no threshold
    assert page.locator("#save-threshold").is_disabled() == (chosen.image_threshold == float("inf"))


def test_the_lower_threshold_is_moved_and_saved_too(open_report, tmp_path):
    inspector = FakeInspector(calibration=make_calibration(doubtful_rate=0.6))
    files, folder = {}, write_folder(tmp_path / "photos")
    inspected = inspect_folder(inspector, str(folder), files)
    page = open_report(report_page(inspector, "photos", inspected, files))
    press(page, "filters", "doubtful")
    assert len(cards(page)) == 5
    assert page.locator("#counts").inner_text().startswith("3 of 8 would be flagged and 5 be doubt")
    name, content = saved(page, "save-threshold")
    chosen = ChosenThreshold.read(content, name)
    given = inspector.image_threshold, inspector.doubtful_threshold
    assert (chosen.image_threshold, chosen.doubtful_threshold) == given
    page.locator("#threshold").fill("100")  # below the lower one, which follows
    assert page.locator("#doubtful").input_value() == "100"
    page.locator("#doubtful").fill("500")  # above the other one, which follows
    assert page.locator("#threshold").input_value() == "500"
    press(page, "filters", "good")
    assert len(cards(page)) == 5
    _, content = saved(page, "save-threshold")
    chosen = ChosenThreshold.read(content, name)
    assert chosen.image_threshold == chosen.doubtful_threshold
    _, content = saved(page, "save-table")
    (limit,) = {row["doubtful_threshold"] for row in csv.DictReader(io.StringIO(content.decode()))}
    assert float(limit) == chosen.doubtful_threshold
    page.locator("#calibrated").click()
    press(page, "filters", "doubtful")
    assert len(cards(page)) == 5


def test_the_table_is_saved_with_the_verdicts_of_the_moved_threshold(open_report, tmp_path):
    for name in ("=1+1.png", "a, b.png"):
        write_part(tmp_path / "photos" / name, defect=0.5)
    inspector, files = FakeInspector(), {}
    inspected = inspect_folder(inspector, str(tmp_path / "photos"), files)
    page = open_report(report_page(inspector, "photos", inspected, files))
    for position, verdict in ((None, "defective"), (1000, "good")):
        if position:
            page.locator("#threshold").fill(str(position))
        name, content = saved(page, "save-table")
        assert name == "inspections.csv"
        rows = {row["path"]: row for row in csv.DictReader(io.StringIO(content.decode()))}
        assert set(rows) == {"'=1+1.png", "a, b.png"}
        for one in inspected:
            row = rows[one.row["path"].replace("=1", "'=1")]
            assert float(row["image_score"]) == one.row["image_score"]
            assert (row["verdict"], row["sha256"]) == (verdict, one.row["sha256"])


def test_marks_are_set_saved_and_read_again(page, open_report, inspected_folder, tmp_path):
    inspector, inspected, files = inspected_folder
    rows = {one.row["path"]: one.row for one in inspected}
    page.locator("#gallery .card").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("x")  # of the first image, by its key
    assert page.locator("#mark").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    page.locator(".card[title='good 0.png']").click()
    page.locator("#mark").click()
    page.locator("#close").click()
    page.locator(".card[title='broken.png']").click()
    assert page.locator("#mark").count() == 0  # it has no verdict that may be wrong
    page.locator("#close").click()
    press(page, "filters", "marked")
    assert cards(page) == ["line 2/bad2.png", "good 0.png"]
    assert page.locator(".card .mark").all_inner_texts() == ["false alarm", "missed"]
    name, content = saved(page, "save-marks")
    found = {mark.image_sha256: (mark.verdict, mark.mark) for mark in read_marks(content, name)}
    assert found == {
        rows["line 2/bad2.png"]["sha256"]: ("defective", "false alarm"),
        rows["good 0.png"]["sha256"]: ("good", "missed"),
    }

    (tmp_path / "marks.json").write_bytes(content)
    again = open_report(report_page(inspector, "photos", inspected, files))
    assert again.locator(".card .mark").count() == 0
    again.locator("#load-marks").set_input_files(tmp_path / "marks.json")
    again.locator("#said", has_text="2 marks are loaded").wait_for()
    assert again.locator(".card .mark").count() == 2
    (tmp_path / "other.json").write_text(json.dumps({"format": "another"}))
    again.locator("#load-marks").set_input_files(tmp_path / "other.json")
    again.locator("#said", has_text="other.json cannot be used").wait_for()
    # In the output folder they are read when the report is written.
    third = open_report(report_page(inspector, "photos", inspected, {**files, name: content}))
    assert third.locator(".card .mark").count() == 2


def test_a_flagged_part_without_a_mark_says_why(open_report, tmp_path):
    inspector, files = FakeInspector(), {}
    inspector.pixel_threshold = 0.99  # above every value of a map
    for size in (0, 0.5):
        write_part(tmp_path / f"photos/{size}.png", size)
    inspected = inspect_folder(inspector, str(tmp_path / "photos"), files)
    page = open_report(report_page(inspector, "photos", inspected, files))
    page.locator(".card[title='0.5.png']").click()
    assert "No region is marked" in page.locator("#detail .note").inner_text()
    assert page.locator("#detail .picture rect.worst").count() == 1
    page.keyboard.press("ArrowRight")  # a good one without a mark
    assert page.locator("#detail .note").count() == 0
    assert page.locator("#detail .picture rect").count() == 0


def test_zoom_is_scrolled_by_the_arrow_keys(page):
    page.locator("#gallery .card").first.click()
    width = page.locator("#detail .picture").bounding_box()["width"]
    page.keyboard.press("z")
    zoomed = page.locator("#detail .picture").bounding_box()["width"]
    assert zoomed > 2.5 * width
    name = page.locator("#detail-name").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.evaluate("document.getElementById('detail-picture').scrollLeft") > 0
    assert page.locator("#detail-name").inner_text() == name
    page.keyboard.press("z")
    assert page.locator("#detail .picture").bounding_box()["width"] == pytest.approx(width, abs=20)


def test_it_is_printed_light_with_all_images_and_without_controls(page):
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert len(cards(page)) == 9
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#threshold").is_hidden()
    assert page.locator(".controls:visible").count() == 0


def test_nothing_is_wider_than_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#gallery .card").first.click()
    assert page.evaluate("document.getElementById('detail').scrollWidth") <= 360


@pytest.mark.parametrize(("corner", "dashed"), [(None, 0), ((0, 0, 8, 8), 1)])
def test_the_worst_patch_is_shown_where_no_marked_region_has_it(
    open_report, tmp_path, monkeypatch, corner, dashed
):
    inspector, files, inspect = FakeInspector(), {}, FakeInspector().inspect
    if corner:
        monkeypatch.setattr(
            inspector, "inspect", lambda image: replace(inspect(image), worst_patch=corner)
        )
    write_part(tmp_path / "photos/bad.png", 0.5)
    inspected = inspect_folder(inspector, str(tmp_path / "photos"), files)
    page = open_report(report_page(inspector, "photos", inspected, files))
    page.locator("#gallery .card").click()
    assert page.locator("#detail .picture rect:not(.worst)").count() == 1  # the marked region
    assert page.locator("#detail .picture rect.worst").count() == dashed
    caption = page.locator("#detail .crops figcaption").first.inner_text()
    assert ("dashed" in caption) == bool(dashed)


def test_images_of_a_part_have_its_verdict_at_any_threshold(open_report, tmp_path):
    views = Views(r"^(.*)_\d$", 2)
    calibration = make_calibration(views=views, mean_features=np.zeros((198, 3), np.float32))
    inspector, files = FakeInspector(calibration=calibration), {}
    for name, size in {"a_1": 0.5, "a_2": 0, "b_1": 0, "b_2": 0, "c_1": 0, "stray": 0.5}.items():
        write_part(tmp_path / f"new/{name}.png", size)
    for twice in ("d_1", "d_2"):
        write_part(tmp_path / f"new/{twice}.png", seed=0)
    inspected = inspect_folder(inspector, str(tmp_path / "new"), files)
    page = open_report(report_page(inspector, "new", inspected, files))
    shown = {
        kind: page.locator(f"#gallery .card.{kind}").count()
        for kind in ("good", "defective", "undecided")
    }
    assert shown == {"good": 2, "defective": 3, "undecided": 3}
    assert page.locator("#counts").inner_text().startswith("2 of 5 parts would be flagged")
    assert "(99 calibration parts)" in page.locator("#counts").inner_text()
    page.locator("#gallery .card.defective", has_text="a_2").click()
    assert (
        "The view 'a_1.png' of this part is defective."
        in page.locator("#detail-facts").inner_text()
    )
    page.keyboard.press("Escape")
    page.locator("#threshold").fill("1000")
    page.locator("#threshold").dispatch_event("change")
    assert page.locator("#gallery .card.defective").count() == 0
    assert page.locator("#gallery .card.good").count() == 4
    page.locator("#gallery .card.undecided", has_text="c_1").click()
    assert "1 view of this part is there" in page.locator("#detail-facts").inner_text()
