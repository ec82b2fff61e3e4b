"""A packaged model whose images are no squares, whole, with a region, and in tiles."""

import io

import numpy as np
import pytest
from PIL import Image

from miniatures import draw_part
from reb_pipeline.images.region import Region
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.folder import inspect_folder
from reb_pipeline.service.answers import Extras, answer
from tiny_model import HELD_OUT, SCORING, tiny_model, train, write_tiny

pytest.importorskip("onnx")

SHAPE = 48, 80
SCORES = SCORING.model_copy(update={"image_score": "mean_max"})
UPPER = Region(np.repeat(np.arange(SHAPE[0])[:, None] < 32, SHAPE[1], axis=1))
PART = draw_part(300)[0]
KINDS = {
    "whole": {},
    "region": {"region": UPPER},
    "light": {"region": UPPER, "light": "both"},
    "tiles": {"tile_size": 64, "tile_overlap": 16},  # 48 x 64 pixels
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, kind):
    place = tmp_path_factory.mktemp(kind) / "model"
    return write_tiny(place, size=list(SHAPE), scoring=SCORES, **KINDS[kind])


@pytest.fixture(scope="module")
def inspector(folder):
    return Inspector.load(folder)


def test_it_scores_as_in_training(inspector, kind):
    seen = {name: value for name, value in KINDS[kind].items() if name in ("region", "light")}
    _, calibration, _ = train(SCORES, size=list(SHAPE), **seen)
    scores = [inspector.inspect(image).image_score for image in HELD_OUT.values()]
    np.testing.assert_allclose(scores, calibration.image_scores, rtol=1e-4)


def test_maps_and_good_images_have_its_shape(inspector):
    found = inspector.inspect(PART)
    assert found.anomaly_map.shape == SHAPE
    assert Image.open(io.BytesIO(inspector._good_images[0])).size == SHAPE[::-1]
    for near in inspector.explain(found, n=2):
        x, y, width, height = near.box
        assert x + width <= SHAPE[1]
        assert y + height <= SHAPE[0]
        assert near.crop.shape[:2] == (height, width)


def test_a_mark_lies_where_the_defect_is(inspector):
    image = np.asarray(Image.fromarray(PART).resize((160, 96)))  # twice the model's
    image = image.copy()
    image[16:48, 112:144] = (255, 0, 255)
    found = inspector.inspect(image)
    assert found.verdict == "defective"
    x, y, width, height = found.worst_patch
    assert (width, height) == (16, 16)
    assert 112 <= x < 144
    assert 16 <= y < 48
    assert found.defects
    left, top, wide, high = found.defects[0].box
    assert left < 128 < left + wide
    assert top < 32 < top + high


def test_report_and_service_show_it(inspector, tmp_path):
    Image.fromarray(PART).resize((160, 96)).save(tmp_path / "part.png")
    (one,) = inspect_folder(inspector, str(tmp_path), files := {})
    assert one.row["verdict"] in ("good", "defective")
    assert Image.open(io.BytesIO(files[one.row["overlay"]])).size == (160, 96)
    served = answer(inspector, PART, Extras(overlay=True), "")
    assert served.image_score == inspector.inspect(PART).image_score
    assert served.overlay_jpeg is not None


def test_a_square_of_height_and_width_is_the_same_model():
    by_number = tiny_model(size=64)
    assert by_number.manifest == tiny_model().manifest
