"""A packaged model whose features are done by hand: image in, verdict out."""

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from miniatures import SIZE, draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.inspector import CONTEXT
from reb_pipeline.inspection.overlay import ColourScale, draw_overlay
from reb_pipeline.scoring.anomaly_maps import anomaly_map
from reb_pipeline.scoring.patch_scores import SCORERS
from tiny_model import CELL, GOOD, GRID, HELD_OUT, SCORING, mean_colours, train, write_tiny

pytest.importorskip("onnx")

DEFECTIVE, (MASK,) = draw_part(500, "bright_spot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("packaged") / "model")


@pytest.fixture(scope="module")
def inspector(folder):
    return Inspector.load(folder)


def by_hand(image, scoring=SCORING):
    """LDKNN's image score and patch scores, one patch after the other."""
    detector, _, _ = train()
    scores = np.empty((GRID, GRID), np.float32)
    for y, x in np.ndindex(GRID, GRID):
        squared = ((detector.features - mean_colours(image)[y, x]) ** 2).sum(axis=1)
        nearest = squared.argmin()
        local = detector.density.squared_distances[nearest, : scoring.n_neighbors].mean()
        scores[y, x] = squared[nearest] - scoring.alpha * local
    blocks = [scores[y : y + 3, x : x + 3].mean() for y in (0, 3) for x in (0, 3)]
    return max(blocks), scores


def test_a_verdict_is_the_one_done_by_hand(inspector):
    for image in (draw_part(300)[0], DEFECTIVE):
        found = inspector.inspect(image)
        score, patch_scores = by_hand(image)
        assert found.image_score == pytest.approx(score, rel=1e-4)
        np.testing.assert_allclose(
            found.anomaly_map, anomaly_map(patch_scores, SIZE, 4.0), rtol=1e-3, atol=1e-2
        )
        known = inspector.calibration.image_scores
        assert found.p_value == (1 + (known >= found.image_score).sum()) / (len(known) + 1)
        assert found.flagged == (found.image_score > sorted(known)[-2])  # 0.1 of 20
        np.testing.assert_allclose(
            found.mean_features, mean_colours(image).mean(axis=(0, 1)), rtol=1e-5
        )
        y, x = np.unravel_index(patch_scores.argmax(), patch_scores.shape)
        assert found.worst_patch == (CELL * x, CELL * y, CELL, CELL)
        np.testing.assert_allclose(found.worst_feature, mean_colours(image)[y, x], rtol=1e-5)
        assert 0 < found.seconds < 10


def test_a_defect_is_flagged_and_marked(inspector):
    found = inspector.inspect(DEFECTIVE)
    assert found.verdict == "defective"
    assert found.p_value == 0.05
    largest = found.defects[0]
    left, top, width, height = largest.box
    rows, columns = np.nonzero(MASK)
    assert left <= columns.mean() <= left + width
    assert top <= rows.mean() <= top + height
    assert largest.peak == found.anomaly_map.max() > inspector.pixel_threshold
    good = inspector.inspect(GOOD["good/000"])
    assert (good.verdict, good.defects) == ("good", [])


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("distance", ["euclidean", "cosine", "mahalanobis"])
def test_any_scorer_and_space_judge_as_in_training(tmp_path, scorer, distance):
    scoring = SCORING.model_copy(update={"scorer": scorer, "image_score": "top_k_mean"})
    training = {"scoring": scoring, "distance": distance}
    inspector = Inspector.load(write_tiny(tmp_path / "model", **training))
    detector, _, found = train(**training)
    detection = detector.score(found)
    scores, maps = detection.image_scores, detection.anomaly_maps(SIZE, scoring.smoothing_sigma)
    for image, score, (_, expected) in zip(HELD_OUT.values(), scores, maps, strict=True):
        inspection = inspector.inspect(image)
        assert inspection.image_score == pytest.approx(
            score, rel=1e-3, abs=1e-3 * float(scores.max())
        )
        largest = np.abs(expected).max()
        assert np.abs(inspection.anomaly_map - expected).max() <= 1e-3 * largest


def test_reweighted_needs_the_farthest_patch(tmp_path):
    scoring = SCORING.model_copy(update={"scorer": "nearest", "image_score": "reweighted"})
    inspector = Inspector.load(write_tiny(tmp_path / "model", scoring=scoring))
    detector, _, found = train(scoring=scoring)
    scores = detector.score(found).image_scores
    inspected = [inspector.inspect(image).image_score for image in HELD_OUT.values()]
    np.testing.assert_allclose(inspected, scores, rtol=1e-4)


def test_tiles_give_the_same(tmp_path, inspector):
    tiled = Inspector.load(write_tiny(tmp_path / "model", tile_size=32, tile_overlap=16))
    np.testing.assert_allclose(
        tiled.inspect(DEFECTIVE).anomaly_map, inspector.inspect(DEFECTIVE).anomaly_map, rtol=1e-5
    )


def test_openvino_gives_the_same(folder, inspector):
    pytest.importorskip("openvino")
    other = Inspector.load(folder, engine="openvino")
    np.testing.assert_allclose(
        other.inspect(DEFECTIVE).anomaly_map,
        inspector.inspect(DEFECTIVE).anomaly_map,
        rtol=1e-4,
        atol=1e-2,
    )


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_threads_share_one_inspector(folder, engine):
    pytest.importorskip(engine)
    inspector = Inspector.load(folder, engine)
    images = [*HELD_OUT.values(), DEFECTIVE] * 3
    alone = [inspector.inspect(image) for image in images]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(inspector.inspect, images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
        assert one.image_score == other.image_score
        assert one.defects == other.defects


def test_the_same_image_gives_the_same_bits(inspector):
    one, other = (inspector.inspect(DEFECTIVE).anomaly_map for _ in range(2))
    np.testing.assert_array_equal(one, other)


@given(height=st.integers(1, 200), width=st.integers(1, 200), seed=st.integers(0, 99))
def test_boxes_lie_within_images_of_any_size(inspector, height, width, seed):
    part, _ = draw_part(seed, "bright_spot")
    image = np.asarray(Image.fromarray(part).resize((width, height)))
    found = inspector.inspect(image)
    assert found.anomaly_map.shape == (SIZE, SIZE)
    for x, y, w, h in [found.worst_patch, *(defect.box for defect in found.defects)]:
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


@pytest.mark.parametrize("n", [1, 3, 100])
def test_explanations_are_the_nearest_patches_of_distinct_images(inspector, n):
    found = inspector.inspect(DEFECTIVE)
    detector, _, _ = train()
    distances = np.linalg.norm(detector.features - found.worst_feature, axis=1)
    bank, owners = detector.bank, detector.bank.image
    nearest = sorted((distances[owners == owner].min(), owner) for owner in np.unique(owners))[:n]
    patches = inspector.explain(found, n)
    assert [patch.image_id for patch in patches] == [bank.image_ids[owner] for _, owner in nearest]
    np.testing.assert_allclose(
        [patch.distance for patch in patches], [distance for distance, _ in nearest], rtol=1e-4
    )
    for patch, (distance, _) in zip(patches, nearest, strict=True):
        row = distances.argmin() if distance == distances.min() else None
        left, top, width, height = patch.box
        assert patch.crop.shape == (height, width, 3)
        assert CELL * (CONTEXT + 1) <= width <= CELL * (2 * CONTEXT + 1)
        original = GOOD[patch.image_id][top : top + height, left : left + width]
        assert np.abs(patch.crop.astype(int) - original).mean() < 8  # a JPEG of the same place
        if row is not None:
            assert left <= CELL * bank.x[row] < left + width
            assert top <= CELL * bank.y[row] < top + height


def test_every_form_of_an_image_gets_the_same_verdict(inspector, tmp_path):
    file = tmp_path / "part.png"
    Image.fromarray(DEFECTIVE).save(file)
    expected = inspector.inspect(DEFECTIVE)
    for form in (file, str(file), file.read_bytes(), Image.fromarray(DEFECTIVE)):
        found = inspector.inspect(form)
        assert found.image_score == expected.image_score
        np.testing.assert_array_equal(found.anomaly_map, expected.anomaly_map)
    grey = DEFECTIVE[:, :, 0]
    as_rgb = inspector.inspect(np.stack([grey] * 3, axis=2))
    for form in (grey, np.uint16(grey) * 257):
        assert inspector.inspect(form).image_score == as_rgb.image_score


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), np.float32), "part.png", None])
def test_what_is_no_image(inspector, image):
    with pytest.raises(InputError, match=r"must be|cannot be read"):
        inspector.inspect(image)


def test_a_result_as_json_as_a_picture_and_in_short(inspector):
    found = inspector.inspect(DEFECTIVE)
    assert json.loads(json.dumps(found.to_dict())) == {
        "verdict": "defective",
        "reason": "",
        "image_score": found.image_score,
        "global_score": 0.0,
        "p_value": found.p_value,
        "defects": [
            {"box": list(one.box), "area": one.area, "peak": one.peak} for one in found.defects
        ],
        "worst_patch": list(found.worst_patch),
        "pose": None,
        "zone": "",
        "seconds": found.seconds,
    }
    scale = ColourScale.of(inspector.calibration)
    drawn = draw_overlay(DEFECTIVE, found, scale, inspector.pixel_threshold)
    np.testing.assert_array_equal(found.overlay(), drawn)
    assert len(repr(found)) < 100
    assert repr(found).startswith("Inspection(defective, image_score=")


def test_a_result_without_an_image_cannot_be_drawn(inspector):
    with pytest.raises(ValueError, match="holds no image"):
        replace(inspector.inspect(DEFECTIVE), drawing=None).overlay()


def test_the_package_names_the_inspector_and_stays_quick_to_import():
    script = """
import sys
import reb_pipeline
assert not {"numpy", "pydantic", "fsspec", "PIL"} & sys.modules.keys()
from reb_pipeline import Inspector
assert Inspector.__module__ == "reb_pipeline.inspection.inspector"
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    with pytest.raises(ImportError, match="cannot import name 'Inspecter'"):
        from reb_pipeline import Inspecter  # noqa: F401


def test_features_that_are_not_finite(tmp_path):
    with pytest.raises(InputError, match="not finite"):
        Inspector.load(write_tiny(tmp_path / "model", factor=np.inf))


def test_what_it_tells_of_itself(inspector):
    assert inspector.name == "part"
    assert inspector.model_id == inspector.manifest["digest"]
    assert inspector.image_threshold == inspector.manifest["calibration"]["image_threshold"]
    assert inspector.pixel_threshold == inspector.manifest["calibration"]["pixel_threshold"]


def test_without_a_rate_that_can_be_promised_every_part_is_undecided(tmp_path, inspector):
    few = Inspector.load(write_tiny(tmp_path / "model", rate=0.001))
    assert few.manifest["calibration"]["image_threshold"] is None
    assert not few.can_flag
    for image in (DEFECTIVE, GOOD["good/000"]):
        found = few.inspect(image)
        assert (found.verdict, found.flagged, found.defects) == ("undecided", False, [])
        assert found.reason == few.calibration.statement()
        assert "with 19 good images" in found.reason
        assert "at least 999 images are needed; so every part is undecided." in found.reason
    assert inspector.can_flag
    assert inspector.inspect(DEFECTIVE).reason == ""


def test_scores_that_are_not_finite_are_no_verdict(inspector, monkeypatch):
    search = type(inspector.detector).search

    def overflowing(self, patches):
        found = search(self, patches)
        return replace(found, squared_distances=found.squared_distances * np.float32(np.nan))

    monkeypatch.setattr(type(inspector.detector), "search", overflowing)
    with pytest.raises(InputError, match=r"scores of image .* are not all finite numbers"):
        inspector.inspect(DEFECTIVE)


def test_good_images_are_packaged_in_the_size_of_the_network(folder):
    for file in (folder / "good_images").iterdir():
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            assert (image.format, image.size) == ("JPEG", (SIZE, SIZE))
