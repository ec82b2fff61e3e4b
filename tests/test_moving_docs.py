"""The catalog entries of the page about other tools read what these tools write."""

import re

import pytest
import yaml
from kedro.io import DataCatalog

import miniatures
from pages import DOCS

PAGE = (DOCS / "how-to/moving.md").read_text()
ENTRIES = {
    entry["type"].rpartition(".")[2]: entry
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for entry in yaml.safe_load(block).values()
}
MADE = {
    "LookoutForVisionDataset": (miniatures.make_lookout, {"anomaly", "bright_spot"}),
    "AnomalibFolderDataset": (miniatures.make_anomalib, {"dark_spot", "bright_spot"}),
    "CSVListDataset": (miniatures.make_csv_list, {"dark_spot", "bright_spot"}),
}


def test_the_page_shows_each_reader():
    assert ENTRIES.keys() == MADE.keys()


@pytest.mark.parametrize("name", MADE)
def test_an_entry_reads_what_the_tool_wrote(name, tmp_path):
    make, kinds = MADE[name]
    make(tmp_path, category="bolt")
    entry = {**ENTRIES[name], "path": str(tmp_path), "category": "bolt"}
    images = DataCatalog.from_config({"raw_images": entry}).load("raw_images")
    assert {sample.defect_type for sample in images.samples if sample.label} == kinds
    assert any(sample.mask_paths for sample in images.samples)


def test_the_list_of_the_page_is_read(tmp_path):
    (text,) = re.findall(r"^```\n(path,.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "bolt.csv").write_text(text)
    for number, kind in ((1, "good"), (2, "dark_spot")):
        image, masks = miniatures.draw_part(number, kind)
        miniatures.write_image(tmp_path / f"photos/{number:04}.png", image)
        miniatures.write_mask(tmp_path / f"masks/{number:04}.png", masks[0])
    entry = {**ENTRIES["CSVListDataset"], "path": str(tmp_path), "category": "bolt"}
    images = DataCatalog.from_config({"raw_images": entry}).load("raw_images")
    good, scratched = images.samples
    assert (good.split, scratched.defect_type) == ("train", "scratch")
    assert images.open_mask(scratched.mask_paths).any()
