"""The page and the documentation in a real browser that can reach nothing but the service."""

import shutil

import pytest
from uploads_made import image_file

from served import Served

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def served():
    started = Served.pretending(0, REB_API_KEY="secret")
    yield started
    started.process.terminate()
    assert started.ended() == 0


@pytest.fixture
def page(browser, served):
    """A page that notes what it was refused and what it asked elsewhere."""
    opened = browser.new_page()
    opened.problems = []
    here = f"http://127.0.0.1:{served.port}/"
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            request.url.startswith((here, "data:", "blob:")) or opened.problems.append(request.url)
        ),
    )
    opened.here = here
    yield opened
    opened.close()
    assert opened.problems == []


def test_an_image_that_is_chosen_is_inspected_and_shown(page):
    page.goto(page.here)
    page.fill("#key", "secret")
    bright = {
        "name": "<b>odd</b>.png",
        "mimeType": "image/png",
        "buffer": image_file(255, (40, 20)),
    }
    page.set_input_files("#file", bright)
    page.wait_for_selector("#result:not([hidden])")
    assert page.inner_text("#verdict") == "defective"
    assert page.inner_text("#name") == "<b>odd</b>.png"
    assert page.evaluate("document.getElementById('overlay').naturalWidth") == 40
    assert page.locator("#defects tr").count() == 2
    assert page.locator("#nearest img").count() == 3
    assert "good/<0>" in page.inner_text("#nearest")

    page.set_input_files("#file", {**bright, "buffer": image_file(0)})
    page.wait_for_selector("#verdict.good")
    assert page.inner_text("#defects") == "No marked region."


def test_an_undecided_part_is_shown_with_its_reason(page):
    page.goto(page.here)
    found = {
        "verdict": "undecided", "reason": "17 images are too few.", "image_score": 1.0, "image_threshold": None,
        "p_value": 0.5, "seconds": 0.1, "overlay_jpeg": "", "defects": [], "nearest_good": [],
    }  # fmt: skip
    page.evaluate("found => show(found, 'part.png')", found)
    assert page.inner_text("#verdict.undecided") == "undecided"
    assert page.inner_text("#reason") == "17 images are too few."
    assert "no threshold" in page.inner_text("#numbers")


def test_a_refusal_is_shown_as_its_sentence(page):
    page.goto(page.here)
    text = {"name": "a.png", "mimeType": "image/png", "buffer": b"text"}
    page.set_input_files("#file", text)
    page.wait_for_selector("#problem:not([hidden])")
    assert "X-API-Key" in page.inner_text("#problem")
    page.fill("#key", "secret")
    page.set_input_files("#file", text)
    page.locator("#problem", has_text="a.png").wait_for()
    assert page.is_hidden("#result")


def test_the_documentation_is_drawn_without_internet(page):
    page.goto(f"{page.here}docs")
    page.locator("#swagger-ui", has_text="/inspect/batch").wait_for()
