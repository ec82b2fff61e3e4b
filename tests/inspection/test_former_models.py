"""Packaged models as the code of their time wrote them, and the scores they gave."""

import json
import shutil
from pathlib import Path

import fsspec
import pytest

from miniatures import draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.manifest import MANIFEST, digest_of
from reb_pipeline.inspection.model import read_model, write_model

pytest.importorskip("onnxruntime")

FORMER = Path(__file__).parent / "models/former_records"
SCORES = {"good": 0.1098225861787796, "dark_spot": 0.34240269660949707, "bright_spot": 1931.34619140625}  # fmt: skip
FORMAT_2 = Path(__file__).parent / "models/format_2"  # with scores by position
SCORES_2 = {"good": -2.827998638153076, "dark_spot": 2.607905149459839, "bright_spot": 99521.015625}  # fmt: skip
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


def test_version_1_becomes_version_2_with_the_same_parts(tmp_path: Path) -> None:
    write_model(read_model(FORMER), str(tmp_path), fsspec.filesystem("file"))
    former, written = read_model(FORMER).manifest, read_model(tmp_path).manifest
    assert (former["format_version"], written["format_version"]) == (1, 2)
    assert "files" not in written
    hashes = {
        name: one for part in written["parts"].values() for name, one in part["files"].items()
    }
    assert hashes.keys() == former["files"].keys()


@pytest.mark.parametrize("files", [None, {}, {"network.onnx": ""}, {"../../secret": ""}])
def test_a_list_of_files_of_version_1_that_is_none(tmp_path: Path, files: object) -> None:
    folder = shutil.copytree(FORMER, tmp_path / "model")
    told = {**json.loads((folder / MANIFEST).read_text()), "files": files}
    told["digest"] = digest_of(told)
    (folder / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"'model.json' of .* (has no list of|lists )"):
        Inspector.load(folder)


def test_a_stored_model_of_format_2_scores_as_it_did() -> None:
    model = read_model(FORMAT_2)
    assert model.manifest["format_version"] == 2
    assert model.good_scores is not None
    inspector = Inspector.load(FORMAT_2)
    for kind, image in IMAGES.items():
        assert inspector.inspect(image).image_score == pytest.approx(SCORES_2[kind], rel=1e-5)
    assert inspector.explain(inspector.inspect(IMAGES["bright_spot"]))
