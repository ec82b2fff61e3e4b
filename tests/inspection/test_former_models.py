"""Packaged models of the formats before, as the code of that time wrote them, and the scores that it gave."""

import json
from pathlib import Path

import fsspec
import pytest

from miniatures import draw_part
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.manifest import MANIFEST
from reb_pipeline.inspection.model import read_model, write_model

pytest.importorskip("onnxruntime")

FORMAT_1 = Path(__file__).parent / "models/format_1"
SCORES = {"good": 0.1098225861787796, "dark_spot": 0.34240269660949707, "bright_spot": 1931.34619140625}  # fmt: skip
IMAGES = {kind: draw_part(200 + n, kind)[0] for n, kind in enumerate(SCORES)}


def test_a_model_of_format_1_scores_as_it_did() -> None:
    assert json.loads((FORMAT_1 / MANIFEST).read_text())["format_version"] == 1
    inspector = Inspector.load(FORMAT_1)
    for kind, image in IMAGES.items():
        assert inspector.inspect(image).image_score == pytest.approx(SCORES[kind], rel=1e-5)
    found = inspector.inspect(IMAGES["bright_spot"])
    assert (found.verdict, found.p_value) == ("defective", 0.05)
    assert [defect.box for defect in found.defects] == [(18, 29, 28, 27)]
    assert found.mean_features == pytest.approx([101.322266, 96.231445, 86.056885])
    assert inspector.explain(found)


def test_it_can_be_written_in_the_present_format(tmp_path: Path) -> None:
    write_model(read_model(FORMAT_1), str(tmp_path), fsspec.filesystem("file"))
    assert json.loads((tmp_path / MANIFEST).read_text())["format_version"] == 2
    found = Inspector.load(tmp_path).inspect(IMAGES["dark_spot"])
    assert found.image_score == pytest.approx(SCORES["dark_spot"], rel=1e-5)
