"""The report of a training as a user has it: opened from the disk in a browser."""

import io

import numpy as np
import pytest
from PIL import Image

from browsing import cards, press
from evaluated_parts import EVIL, FAULT, evaluated_parts
from reb_pipeline.figures.page import report_page


@pytest.fixture
def page(open_report):
    return open_report(report_page(evaluated_parts(), {}))


def test_filters_by_outcome_and_defect_type(page):
    assert cards(page)[0] == "defective/1"  # the hardest: the missed defect with the lowest score
    counts = {"all": 21, "missed": 3, "false alarm": 1, "found": 6, "good": 11}
    for name, count in counts.items():
        press(page, "filters", name)
        assert len(cards(page)) == count
        assert (
            page.locator("#filters button[aria-pressed=true]").inner_text() == f"{name} ({count})"
        )
    press(page, "filters", "found")
    page.locator("#kinds select").select_option(EVIL)
    assert cards(page) == ["defective/2", "defective/5", "defective/8"]
    assert page.locator("#filters button[value=missed]").inner_text() == "missed (0)"


def test_doubtful_images_of_both_labels_are_one_filter(open_report):
    page = open_report(report_page(evaluated_parts(doubtful_rate=0.9), {}))
    counts = {"missed": 0, "false alarm": 1, "doubtful": 9, "found": 6, "good": 5}
    for name, count in counts.items():
        press(page, "filters", name)
        pressed = page.locator("#filters button[aria-pressed=true]")
        assert pressed.inner_text() == f"{name} ({count})"
    assert page.locator("#histogram line.doubtful").count() == 1


def test_parts_that_cannot_be_aligned_are_undecided(open_report):
    unaligned = ("good/11", "defective/0")
    page = open_report(report_page(evaluated_parts(unaligned=unaligned), {}))
    counts = {"missed": 3, "false alarm": 0, "found": 5, "good": 11, "undecided": 2}
    for name, count in counts.items():
        press(page, "filters", name)
        assert len(cards(page)) == count
    page.locator("#gallery .card").first.click()
    assert FAULT in page.locator("#detail-facts").inner_text()
    for view in "moi":
        page.keyboard.press(view)
        assert page.locator("#detail .picture img").count() == 1
    assert page.locator("#detail .picture svg :is(rect, polygon)").count() == 0


def test_an_image_is_opened_by_the_keyboard_with_its_annotation(page):
    page.locator("#gallery .card").first.focus()
    page.keyboard.press("Enter")
    facts = page.locator("#detail-facts").inner_text()
    assert "missed" in facts
    assert "× the threshold" in facts
    assert page.locator("#detail .picture polygon.annotated").count() == 1
    page.keyboard.press("m")
    assert page.locator("#detail .picture svg").count() == 0
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()


def test_the_histogram_has_both_kinds_and_the_threshold(page):
    assert page.locator("#histogram rect.below").count() == 50
    assert page.locator("#histogram rect.above").count() == 50
    assert "threshold" in page.locator("#histogram text").last.inner_html()


def test_without_a_threshold_images_are_what_their_labels_say(open_report):
    page = open_report(report_page(evaluated_parts(n_calibration=5), {}))
    press(page, "filters", "defective")
    assert len(cards(page)) == 9
    assert page.locator("#filters").inner_text().count("missed") == 0


def test_nothing_is_wider_than_a_phone_and_tables_can_be_scrolled(page):
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [1050, 1100, 1200])
def test_no_table_is_cut_off_on_a_desk(open_report, width):
    page = open_report(report_page(evaluated_parts(doubtful_rate=0.9), {}))
    page.set_viewport_size({"width": width, "height": 740})
    tables = page.locator(".wide").evaluate_all(
        "all => all.map(one => one.scrollWidth - one.clientWidth)"
    )
    assert set(tables) == {0}


def test_what_the_numbers_mean_is_folded_away_until_it_is_asked_for(page):
    meaning = page.locator("details", has_text="What the numbers mean")
    assert meaning.locator("dl").is_hidden()
    meaning.locator("summary").focus()
    page.keyboard.press("Enter")
    assert meaning.locator("dl").is_visible()


def test_a_map_has_the_colours_of_its_legend_and_is_clear_over_a_good_part(page):
    def colour_at(view, name):
        press(page, "views", view)
        shown = page.locator(f".card[title='{name}'] .picture").screenshot()
        with Image.open(io.BytesIO(shown)) as image:
            x, y = image.width * 24 // 64, image.height * 18 // 48  # within the defect
            return np.array(image.convert("RGB").getpixel((x, y)), int)

    highest = np.array([0xFC, 0xFF, 0xA4])  # 8 × the threshold: the end of the legend
    assert abs(colour_at("map", "defective/6") - highest).max() < 8
    assert abs(colour_at("map", "defective/6") - colour_at("overlay", "defective/6")).max() > 10
    part = colour_at("image", "good/0")
    assert abs(colour_at("overlay", "good/0") - part).max() < 4
    assert colour_at("map", "good/0").max() < 60
