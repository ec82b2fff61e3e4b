"""A real browser that opens pages from the disk; tests are skipped where none is installed."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")  # fmt: skip
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium or Chrome is installed")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_report(browser, tmp_path):
    """Write a report and open it; at the end nothing may have gone wrong or left the page."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    wrong = []

    def look(page):
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith(("file:", "data:", "blob:")) or wrong.append(asked.url)
            ),
        )

    context.on("page", look)

    def open_(html):
        path = tmp_path / "report.html"
        path.write_text(html)
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    yield open_
    context.close()
    assert not wrong


def cards(page):
    """Names of the images in the gallery, in their order."""
    return page.locator("#gallery .card").evaluate_all("all => all.map(one => one.title)")


def press(page, group, name):
    page.locator(f"#{group} button[value='{name}']").click()


def saved(page, button):
    """Press a button and read the file that it downloads."""
    with page.expect_download() as started:
        page.locator(f"#{button}").click()
    return started.value.suggested_filename, started.value.path().read_bytes()
