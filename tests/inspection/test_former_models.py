"""A packaged model whose records have the names before, as the code of that time wrote it, and the scores it gave."""

from pathlib import Path

import fsspec
import pytest

from miniatures import draw_part
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.model import read_model, write_model

pytest.importorskip("onnxruntime")

FORMER = Path(__file__).parent / "models/former_records"
SCORES = {"good": 0.1098225861787796, "dark_spot": 0.34240269660949707, "bright_spot": 1931.34619140625}  # fmt: skip
IMAGES = {kind: draw_part(200 + n, kind)[0] for n, kind in enumerate(SCORES)}


def test_a_model_with_records_of_the_format_before_scores_as_it_did() -> None:
    inspector = Inspector.load(FORMER)
    for kind, image in IMAGES.items():
        assert inspector.inspect(image).image_score == pytest.approx(SCORES[kind], rel=1e-5)
    found = inspector.inspect(IMAGES["bright_spot"])
    assert (found.verdict, found.p_value) == ("defective", 0.05)
    assert [defect.box for defect in found.defects] == [(18, 29, 28, 27)]
    assert found.mean_features == pytest.approx([101.322266, 96.231445, 86.056885])
    assert inspector.explain(found)


def test_it_can_be_written_in_the_present_format(tmp_path: Path) -> None:
    write_model(read_model(FORMER), str(tmp_path), fsspec.filesystem("file"))
    found = Inspector.load(tmp_path).inspect(IMAGES["dark_spot"])
    assert found.image_score == pytest.approx(SCORES["dark_spot"], rel=1e-5)
