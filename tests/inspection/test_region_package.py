"""A packaged model with a region of interest."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from miniatures import SIZE, draw_part
from reb_pipeline.images.region import Region
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.folder import inspect_folder
from reb_pipeline.inspection.overlay import region_outlines
from reb_pipeline.service.answers import Extras, answer
from tiny_model import CELL, GRID, HELD_OUT, SCORING, train, with_spot, write_tiny

pytest.importorskip("onnx")

INSIDE = np.zeros((SIZE, SIZE), bool)
INSIDE[8:56, 16:64] = True
REGION = Region(INSIDE, aspect=1.0)
SCORES = SCORING.model_copy(update={"image_score": "mean_max"})
PART = draw_part(300)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("packaged") / "model", region=REGION, scoring=SCORES)


@pytest.fixture(scope="module")
def inspector(folder):
    return Inspector.load(folder)


def test_a_packaged_model_scores_as_in_training(inspector):
    _, calibration, _ = train(SCORES, region=REGION)
    scores = [inspector.inspect(image).image_score for image in HELD_OUT.values()]
    np.testing.assert_allclose(scores, calibration.image_scores, rtol=1e-4)


def test_a_spot_outside_changes_nothing_and_one_inside_is_marked(inspector):
    plain = inspector.inspect(PART)
    outside = inspector.inspect(with_spot(PART, slice(0, 8), slice(0, 64)))
    inside = inspector.inspect(with_spot(PART, slice(24, 40), slice(24, 40)))
    assert outside.image_score == plain.image_score
    np.testing.assert_array_equal(outside.anomaly_map, plain.anomaly_map)
    np.testing.assert_array_equal(outside.mean_features, plain.mean_features)
    assert inside.verdict == "defective"
    x, y, _, _ = inside.worst_patch
    assert INSIDE[y, x]
    outside_map = inside.anomaly_map[~INSIDE]
    assert (outside_map == min(0, inside.anomaly_map[INSIDE].min())).all()


def test_fewer_rows_are_stored_and_searched(inspector):
    assert inspector.detector.bank.region.sum() == INSIDE.sum() / CELL**2
    found, grid = inspector.search(PART)
    assert grid.shape == (GRID, GRID, 3)
    assert found.rows.shape[:3] == (1, 1, INSIDE.sum() / CELL**2)


def test_the_region_is_outlined_in_overlay_report_and_service(inspector, tmp_path):
    found = inspector.inspect(PART)
    (outline,) = region_outlines(found.region, (SIZE, SIZE))
    xs, ys = outline[::2], outline[1::2]
    assert (min(xs), max(xs), min(ys), max(ys)) == (16, 64, 8, 56)
    plain = replace(found, region=None)
    assert (found.overlay() != plain.overlay()).any()
    served = answer(inspector, PART, Extras(overlay=True), "")
    assert served.image_score == found.image_score
    assert served.overlay_jpeg is not None
    Image.fromarray(PART).save(tmp_path / "part.png")
    files = {}
    (one,) = inspect_folder(inspector, str(tmp_path), files)
    assert one.view(files)["region"] == [outline]


def test_an_image_of_another_aspect_is_undecided_with_the_reason(inspector, tmp_path):
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "wide.png")
    (one,) = inspect_folder(inspector, str(tmp_path), {})
    assert one.row["verdict"] == "undecided"
    assert "64 x 48 pixels is 1.333 times as wide" in one.row["reason"]


def test_the_model_holds_the_region_and_not_the_path_of_its_mask(folder):
    manifest = json.loads((folder / "model.json").read_text())
    again = Region.of_json(manifest["features"]["region"])
    np.testing.assert_array_equal(again.mask, INSIDE)


def test_the_region_is_read_from_bytes_and_arrays_alike(inspector):
    file = io.BytesIO()
    Image.fromarray(PART).save(file, "PNG")
    assert inspector.inspect(file.getvalue()).image_score == inspector.inspect(PART).image_score
