"""Take the screenshots of both reports for the pages: python tools/report_screenshots.py [--results data].

It opens the newest training report of the solar cells `mono`, and inspects 160 good and 20 defective ones of its test
and a broken file with the newest packaged model: after `kedro run` and `kedro run --pipelines packaging`. It needs
Playwright (`pip install -e .[test]`) and Chromium (Debian's `apt-get install chromium`).
"""

import argparse
import io
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from reb_pipeline.datasets.layouts.elpv import ELPVDataset
from reb_pipeline.inspection.cli import main as inspect

IMAGES = Path(__file__).parents[1] / "docs/images"
CATEGORY = "mono"
GOOD, DEFECTIVE = 160, 20  # cells of the inspection, the first by name
WIDE, PHONE = (1100, 1000), (390, 844)  # px
CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def newest(folder: Path, name: str) -> Path:
    """Find the newest version of a stored file or folder."""
    return max(folder.glob(f"{name}/*/{name}"))


def write_cells(results: Path, folder: Path) -> None:
    """Write the cells of the inspection, and a file that is cut off."""
    samples = pd.read_parquet(newest(results / f"03_primary/{CATEGORY}", "samples.parquet"))
    test = samples[samples["split"] == "test"].sort_values("id")
    chosen = [test[test["label"] == label]["path"][:n] for label, n in ((0, GOOD), (1, DEFECTIVE))]
    cells = ELPVDataset(
        category=CATEGORY, split={"test": 0.3, "calibration": "auto", "seed": 0}
    ).load()
    for path in pd.concat(chosen):
        (folder / Path(path).name).write_bytes(cells.read(path))
    (folder / "incomplete.png").write_bytes(cells.read(path)[:500])


def open_page(browser: Browser, report: Path, size: tuple[int, int], scheme: str) -> Page:
    """Open a report at a size in pixels, light or dark."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
    )
    page.goto(report.resolve().as_uri())
    page.locator("#gallery .card").first.wait_for()
    return page


def save(page: Page, name: str) -> None:
    """Save what is to be seen."""
    page.wait_for_timeout(500)  # until images are decoded
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(IMAGES / f"{name}.png", optimize=True)


def photograph(browser: Browser, report: Path, name: str, kind: str, place: int) -> None:
    """Take a report light, dark with one image of a kind open, and on a phone."""
    save(open_page(browser, report, WIDE, "light"), f"{name}_report")
    page = open_page(browser, report, WIDE, "dark")
    page.locator(f"#filters button[value='{kind}']").click()
    page.locator("#gallery .card").nth(place).click()
    save(page, f"{name}_detail")
    save(open_page(browser, report, PHONE, "light"), f"{name}_phone")


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("data"), help="folder of the results")
    results = parser.parse_args().results.resolve()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        cells = Path(place) / "cells"
        cells.mkdir()
        write_cells(results, cells)
        model = newest(results / f"06_models/{CATEGORY}", "model")
        os.chdir(place)  # no path of this machine is shown
        inspect(["cells", "--model", str(model), "--output", "inspection"])
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS
        )
        reports = results / f"08_reporting/{CATEGORY}"
        photograph(browser, newest(reports, "report.html"), "training", "found", 40)
        photograph(browser, Path(place) / "inspection/report.html", "inspection", "defective", 3)
        browser.close()


if __name__ == "__main__":
    main()
