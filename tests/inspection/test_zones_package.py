"""A packaged model with zones: one threshold, a cut-off in each."""

import json

import numpy as np
import pytest
from PIL import Image

from miniatures import SIZE, draw_part
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.folder import inspect_folder, table_of
from reb_pipeline.inspection.journal import inspection_in
from reb_pipeline.inspection.model import read_model
from reb_pipeline.inspection.report import report_page
from reb_pipeline.service.answers import Extras, answer
from tiny_model import CELL, GRID, HELD_OUT, SCORING, train, with_spot, write_tiny

pytest.importorskip("onnx")

TOP = [[(0, 0), (1, 0), (1, 0.25), (0, 0.25)]]
GOOD = {f"good/{seed:03}": draw_part(seed)[0] for seed in range(20)}
CHANGES = {"image_score": "mean_max", "anomaly_map": "distance", "zones": {"top": TOP}}
SCORES = SCORING.model_copy(update=CHANGES)
PART = draw_part(300)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("packaged") / "model", scoring=SCORES, good=GOOD)


@pytest.fixture(scope="module")
def inspector(folder):
    return Inspector.load(folder)


ABOVE, BELOW = (
    with_spot(PART, slice(0, 8), slice(16, 24)),
    with_spot(PART, slice(40, 56), slice(24, 40)),
)


def test_a_packaged_model_scores_and_marks_as_in_training(inspector):
    detector, calibration, _ = train(SCORES, good=GOOD)
    np.testing.assert_array_equal(inspector.detector.zones.numbers, detector.zones.numbers)
    found = [inspector.inspect(image) for image in HELD_OUT.values()]
    np.testing.assert_allclose(
        [one.image_score for one in found], calibration.image_scores, rtol=1e-3, atol=1e-4
    )
    peaks = [one.anomaly_map.max() for one in found]
    np.testing.assert_allclose(peaks, calibration.peak_scores, rtol=1e-3, atol=1e-4)


def test_the_model_tells_the_cut_off_of_each_zone(folder):
    manifest, model = json.loads((folder / "model.json").read_text()), read_model(folder)
    assert manifest["zones"] == model.zones.cut_offs(model.calibration)
    assert [zone["patches"] for zone in manifest["zones"].values()] == [GRID * 2, GRID * (GRID - 2)]
    assert manifest["parts"]["zones"]["required"]  # without it the scores would be others
    rest = manifest["zones"]["rest"]["image"]
    expected = model.zones.mean[1] + model.calibration.image_threshold * model.zones.spread[1]
    assert rest == pytest.approx(float(expected))


def test_the_zone_of_the_worst_place_is_told_everywhere(inspector, tmp_path):
    above, below = inspector.inspect(ABOVE), inspector.inspect(BELOW)
    assert (above.zone, below.zone) == ("top", "rest")
    assert above.worst_patch[1] < 2 * CELL <= below.worst_patch[1]
    assert below.to_dict()["zone"] == "rest"
    assert answer(inspector, ABOVE, Extras(), "").zone == "top"
    for name, image in (("above", ABOVE), ("below", BELOW)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    files = {}
    inspected = inspect_folder(inspector, str(tmp_path), files)
    assert list(table_of(inspected)["zone"]) == ["top", "rest"]
    page = report_page(inspector, str(tmp_path), inspected, files)
    assert '"zone":"top"' in page
    assert "the most suspicious place lies in it" in page
    entry = json.loads(files[f"journal/{inspected[1].key}.json"])
    assert inspection_in(entry, inspector, (SIZE, SIZE)).zone == "rest"


def test_a_model_without_zones_names_none(tmp_path):
    without = Inspector.load(write_tiny(tmp_path / "model"))
    assert without.inspect(ABOVE).zone == ""
    assert answer(without, ABOVE, Extras(), "").zone is None
    assert "zones" not in without.manifest
