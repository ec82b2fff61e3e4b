"""The page and the documentation in a real browser that can reach nothing but the service."""

import hashlib
import json

import pytest
from uploads_made import image_file

from browsing import CHROMIUM, FLAGS
from reb_pipeline.inspection.marks import read_marks
from served import Served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
DARK, BRIGHT = image_file(0), image_file(255, (40, 20))


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *CAMERA])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("marks") / "marks.json"


@pytest.fixture(scope="module")
def served(file):
    started = Served.pretending(0, "--marks", file, REB_API_KEY="secret")
    yield started
    started.process.terminate()
    assert started.ended() == 0


@pytest.fixture
def page(browser, served):
    """A page that notes errors, violations of its policy, and what it asked elsewhere."""
    opened = browser.new_page()
    opened.problems = []
    here = f"http://127.0.0.1:{served.port}/"
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on(
        "console",
        lambda said: (
            "Content Security Policy" not in said.text or opened.problems.append(said.text)
        ),
    )
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


@pytest.fixture
def open_page(page):
    """The page with its key."""
    page.goto(page.here)
    page.locator("#access").wait_for()
    page.fill("#key", "secret")
    page.locator("#key").press("Enter")
    page.locator("#facts", has_text="Model").wait_for()
    return page


def upload(name, data):
    return {"name": name, "mimeType": "image/png", "buffer": data}


def wait_until(page, expression):
    """Wait as Playwright's wait_for_function, which needs the `eval` that the page's policy refuses."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(expression)


def test_several_images_are_inspected_and_kept(open_page):
    page = open_page
    assert page.inner_text("h1") == "Inspection: screw"
    facts = page.inner_text("#facts")
    assert "2026-01-31" in facts
    assert "above 0.5, for a false-alarm rate of 5 %" in facts
    images = [upload("<b>odd</b>.png", BRIGHT), upload("text.png", b"text"), upload("d.png", DARK)]
    page.set_input_files("#file", images)
    page.locator("#counts", has_text="3 images").wait_for()
    assert page.inner_text("#counts") == "3 images: 1 good, 1 defective, 1 unreadable."
    assert page.inner_text("#verdict") == "good"  # the last one is shown
    assert page.inner_text("#defects") == "No marked region."

    page.locator("#history button").nth(1).click()
    assert page.inner_text("#verdict") == "unreadable"
    assert "text.png" in page.inner_text("#reason")
    assert page.is_hidden("#detail")

    page.locator("#history button").nth(2).click()
    assert page.inner_text("#verdict") == "defective"
    assert page.inner_text("#name") == "<b>odd</b>.png"
    assert "2.00 × the threshold" in page.inner_text("#numbers")
    assert "global part" in page.inner_text("#numbers")
    assert page.locator("#defects tr").count() == 2
    assert page.locator("#nearest img").count() == 3
    assert "good/<0>" in page.inner_text("#nearest")
    for view, width in (("map", 16), ("image", 40), ("overlay", 40)):
        page.locator(f"#views button[value={view}]").click()
        wait_until(page, f"document.getElementById('shown').naturalWidth === {width}")
    page.reload()
    assert page.is_hidden("#session")


def test_marks_are_stored_by_the_service_and_taken_back(open_page, file):
    page = open_page
    page.set_input_files("#file", [upload("a.png", BRIGHT)])
    page.locator("#mark", has_text="False alarm").click()
    page.locator("#marked", has_text="Stored by the service").wait_for()
    (mark,) = read_marks(file.read_bytes(), "marks.json")
    assert (mark.mark, mark.image_sha256) == ("false alarm", hashlib.sha256(BRIGHT).hexdigest())
    assert page.get_attribute("#mark", "aria-pressed") == "true"

    page.set_input_files("#file", [upload("b.png", DARK), upload("the same again.png", BRIGHT)])
    page.locator("#history", has_text="the same again.png").wait_for()
    page.locator("#history button", has_text="b.png").click()
    page.locator("#mark", has_text="Missed").click()
    page.locator("#history button", has_text="b.png").get_by_text("marked: missed").wait_for()
    page.locator("#history button", has_text="the same again.png").click()
    assert page.get_attribute("#mark", "aria-pressed") == "true"  # it is the same image
    page.click("#mark")
    page.locator("#mark[aria-pressed=false]").wait_for()
    assert [one.mark for one in read_marks(file.read_bytes(), "marks.json")] == ["missed"]


def test_marks_that_the_service_does_not_store_are_downloaded(page):
    def without_file(route):
        answer = route.fetch()
        (model,) = answer.json()["models"]
        body = json.dumps({"models": [model | {"stores_marks": False}]})
        route.fulfill(response=answer, body=body)

    page.goto(page.here)
    page.route("**/v1/models", without_file)
    page.fill("#key", "secret")
    page.locator("#key").press("Enter")
    page.set_input_files("#file", [upload("a.png", BRIGHT)])
    page.click("#mark")
    assert "download the marks" in page.inner_text("#marked")
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "marks.json"
    (mark,) = read_marks(download.value.path().read_bytes(), "marks.json")
    assert (mark.verdict, mark.mark) == ("defective", "false alarm")


def test_the_page_is_used_by_the_keyboard_alone(page):
    keys = page.keyboard
    page.on("filechooser", lambda _: None)  # a busy browser is told in time to show no dialogue
    page.goto(page.here)
    page.locator("#key:focus").wait_for()  # the page asks for it
    keys.type("secret")
    keys.press("Enter")
    page.locator("#facts", has_text="Model").wait_for()
    keys.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    with page.expect_file_chooser(timeout=5000) as chooser:
        keys.press("Space")
    chooser.value.set_files([upload(f"{k}.png", (DARK, BRIGHT)[k % 2]) for k in range(4)])
    page.locator("#counts", has_text="4 images").wait_for()
    for name in ("2.png", "1.png", "0.png", "0.png"):
        keys.press("ArrowRight")
        assert page.inner_text("#name") == name
    keys.press("m")
    assert page.get_attribute("#views [value=map]", "aria-pressed") == "true"
    keys.press("ArrowLeft")
    for _ in range(20):
        keys.press("Tab")
        if page.evaluate("document.activeElement.id") == "mark":
            break
    keys.press("Space")
    page.locator("#mark[aria-pressed=true]").wait_for()
    keys.press("x")
    page.locator("#mark[aria-pressed=false]").wait_for()


def test_images_are_dropped_and_the_camera_takes_one(open_page):
    page = open_page
    data = page.evaluate_handle(
        """bytes => {
          const data = new DataTransfer();
          for (const name of ["a.png", "b.png"])
            data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
          return data;
        }""",
        list(BRIGHT),
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    page.locator("#counts", has_text="2 images: 2 defective").wait_for()
    page.click("#camera")
    page.locator("#shoot").click()
    page.locator("#counts", has_text="3 images").wait_for()
    assert page.inner_text("#name").startswith("camera ")
    page.click("#camera-off")
    assert page.is_hidden("#viewfinder")


def test_an_undecided_part_is_shown_with_its_reason(open_page):
    found = {
        "verdict": "undecided", "reason": "17 images are too few.", "image_score": 1.0, "image_threshold": None,
        "p_value": 0.5, "seconds": 0.1, "overlay_jpeg": "", "defects": [], "nearest_good": [], "width": 1,
        "height": 1, "image_sha256": "",
    }  # fmt: skip
    page = open_page
    page.route("**/inspect?*", lambda route: route.fulfill(json=found))
    page.set_input_files("#file", [upload("part.png", DARK)])
    assert page.inner_text("#verdict.undecided") == "undecided"
    assert page.inner_text("#reason") == "17 images are too few."
    assert "threshold none" in page.inner_text("#numbers")
    assert page.is_hidden("#mark")
    assert page.inner_text("#marked") == ""  # it said that a mark is kept
    assert page.is_hidden("#explanation")


def test_a_wrong_key_keeps_the_images_that_wait(page):
    page.goto(page.here)
    page.locator("#problem", has_text="X-API-Key").wait_for()
    page.set_input_files("#file", [upload("a.png", BRIGHT)])
    page.fill("#key", "guess")
    page.locator("#key").press("Enter")
    page.locator("#problem", has_text="not that of the service").wait_for()
    page.fill("#key", "secret")
    page.locator("#key").press("Enter")
    page.locator("#verdict.defective").wait_for()
    assert page.is_hidden("#problem")


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(open_page, width):
    page = open_page
    page.set_viewport_size({"width": width, "height": 800})
    page.set_input_files("#file", [upload(f"{60 * 'long name '}.png", BRIGHT)])
    page.locator("#result").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_documentation_is_drawn_without_internet(page):
    page.goto(f"{page.here}docs")
    page.locator("#swagger-ui", has_text="/v1/models/{name}/inspect/batch").wait_for()
