"""Take the screenshots of docs/images.

    python tools/screenshots.py lineage [--params output_root=RESULTS]
    python tools/screenshots.py service --model cells.model --photos new_photos

`lineage` opens Kedro-Viz by the commands of docs/how-to/lineage.md, with the results of the last `kedro run`. `service`
opens the page of `reb serve`, with a model and photos such as those of docs/tutorial/first_report.md. Both need
Playwright (`pip install -e .[test]`) and Chromium (Debian's `apt-get install chromium`).
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"
PORT = 4199
START_SECONDS = 300
SETTLE_MILLISECONDS = 4000  # until Kedro-Viz has moved everything to its place
CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# What Kedro-Viz keeps in the browser.
SETTINGS = {
    "theme": "light",
    "showFeatureHints": False,
    "visible": {"graph": True, "sidebar": False, "miniMap": False},
}
# Paths of the machine that takes the screenshots are nobody's business.
HIDE_PATHS = """() => document.querySelectorAll('.pipeline-metadata__label').forEach(label => {
  if (/path/i.test(label.textContent)) {
    label.style.visibility = 'hidden';
    label.nextElementSibling.style.visibility = 'hidden';
  }
})"""
PREVIEWED = ("mono.raw_images", "mono.defect_gallery", "mono.anomaly_maps", "mono.report")


@contextmanager
def kedro_viz(*options: str) -> Iterator[str]:
    """Start Kedro-Viz, give its address, and end it."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "kedro",
            "viz",
            "run",
            "--no-browser",
            "--port",
            str(PORT),
            *options,
        ],
        cwd=ROOT,
        env=os.environ | {"DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{PORT}"
        wait_for(f"{address}/api/main")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        with suppress(OSError):  # its server may outlive it, and would answer for the next one
            while True:
                urllib.request.urlopen(f"{address}/api/main").close()
                time.sleep(1)


def wait_for(url: str) -> None:
    """Wait until an address answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


@contextmanager
def browser_page(width: int, height: int, **settings: object) -> Iterator[Page]:
    """Open a page of a browser of a size in pixels, with settings of Kedro-Viz beside the usual ones."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(START_SECONDS * 1000)
        kept = json.dumps(json.dumps(SETTINGS | settings))
        page.add_init_script(f"localStorage.setItem('KedroViz', {kept})")
        yield page
        browser.close()


def photograph(page: Page, address: str, *boxes: str) -> bytes:
    """Take a picture of a graph, after boxes in it were opened one after the other."""
    page.goto(address)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.add_style_tag(content=".update-reminder, [class*='update-reminder'] { display: none }")
    for box in boxes:
        page.locator(f".pipeline-node[data-id='{box}']").click()
        page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.mouse.move(0, 0)
    return page.screenshot()


def photograph_previews(page: Page, address: str) -> bytes:
    """Take a picture of what Kedro-Viz tells of some datasets, side by side."""
    panels = []
    for name in PREVIEWED:
        page.goto(f"{address}/?pid=mono&sn={name}")
        page.locator(".pipeline-metadata__link").wait_for()
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        page.evaluate(HIDE_PATHS)
        panel = page.locator(".pipeline-metadata").screenshot()
        panels.append(Image.open(io.BytesIO(panel)))
    sheet = Image.new("RGB", (sum(panel.width for panel in panels), panels[0].height))
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def save(name: str, png: bytes) -> None:
    """Save a picture in few colours, a fraction of the size."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(256)
    image.save(IMAGES / f"{name}.png", optimize=True)


@contextmanager
def reb_serve(model: str) -> Iterator[str]:
    """Start the service of a model, give its address, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reb_pipeline.service.cli", "--model", model, "--port", str(PORT)],
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{PORT}"
        wait_for(f"{address}/health")
        yield address
    finally:
        process.terminate()
        process.wait()


def inspect_on_page(page: Page, address: str, photos: list[Path], view: str) -> None:
    """Let the service's page inspect photos; the last one is shown."""
    page.goto(address)
    page.set_input_files("#file", photos)
    page.locator("#progress", has_text=f"{len(photos)} images inspected").wait_for()
    page.locator(f"#views button[value={view}]").click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLE_MILLISECONDS)


def take_service(model: str, photos: Path) -> None:
    """Take the screenshots of the service's page: light, and dark on a phone."""
    images = sorted(photos.iterdir(), reverse=True)  # the tutorial's last one is defective
    with reb_serve(model) as address:
        with browser_page(1200, 900) as page:
            inspect_on_page(page, address, images, "overlay")
            save("service_page", page.screenshot(full_page=True))
        with browser_page(390, 844) as page:
            page.emulate_media(color_scheme="dark")
            inspect_on_page(page, address, images[-4:], "map")
            page.locator("#result").evaluate("result => result.scrollIntoView()")
            save("service_phone", page.screenshot())


def take_lineage(params: str) -> None:
    """Take the screenshots of Kedro-Viz."""
    with kedro_viz("--params", params) as address:
        with browser_page(1100, 1000, orientation="horizontal", layer={"visible": False}) as page:
            save("lineage_default", photograph(page, f"{address}/?pid=__default__"))
        with browser_page(1300, 820) as page:
            save("lineage_previews", photograph_previews(page, address))
    with (
        kedro_viz("--env", "mvtec_ad", "--pipeline", "screw") as address,
        browser_page(1000, 1250) as page,
    ):
        save("lineage_mvtec_ad", photograph(page, address, "screw"))
    with (
        kedro_viz("--env", "mvtec_ad", "--pipeline", "studies_arms") as address,
        browser_page(1300, 900, orientation="horizontal", layer={"visible": False}) as page,
    ):
        save("lineage_studies", photograph(page, address))


def main() -> None:
    """Take the screenshots that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", choices=["lineage", "service"])
    parser.add_argument("--params", default="", help="of the run whose lineage is shown")
    parser.add_argument("--model", help="folder of the model that the service inspects with")
    parser.add_argument("--photos", type=Path, help="folder of the photos that it inspects")
    given = parser.parse_args()
    if given.subject == "lineage":
        take_lineage(given.params)
    else:
        take_service(given.model, given.photos)


if __name__ == "__main__":
    main()
