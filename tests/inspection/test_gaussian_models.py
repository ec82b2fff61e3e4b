"""Packaged models without a memory bank: the Gaussians of padim and gde."""

import json
from dataclasses import replace
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest

from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.manifest import MANIFEST, digest_of
from reb_pipeline.inspection.model import pack, read_model, write_model
from reb_pipeline.inspection.parity import compare
from reb_pipeline.scoring.gaussians import GaussianDetector
from tiny_model import CELL, GOOD, HELD_OUT, SCORING, SIZE, mean_colours, network

pytest.importorskip("onnx")

EXTRACTOR = {"backbone": "mean colours", "image_size": SIZE, "tile_size": None, "tile_overlap": 0}
BAD = np.full((SIZE, SIZE, 3), 255, np.uint8)


def grids(images, is_whole):
    for image_id, image in images.items():
        grid = mean_colours(image)
        yield image_id, grid.mean(axis=(0, 1), keepdims=True) if is_whole else grid


def trained(name):
    is_whole = name == "gde"
    good = SimpleNamespace(
        image_ids=list(GOOD), patches=lambda: grids(GOOD, is_whole), provenance=EXTRACTOR
    )
    detector = (
        GaussianDetector.fit_gde(good)
        if is_whole
        else GaussianDetector.fit_padim(good, SCORING.of_images)
    )
    found = detector.search(grids(HELD_OUT, is_whole))
    scored = detector.score(found)
    maps = scored.anomaly_maps(SIZE, SCORING.smoothing_sigma)
    scoring = {**SCORING.model_dump(mode="json"), "detector": name}
    calibration = Calibration(
        scored.image_scores, np.array([one.max() for _, one in maps], np.float32), found.image_ids, 0.1,
        CALIBRATION_SPLIT, 0.0, "", scoring, found.mean_features, detector_fingerprint=detector.fingerprint,
    )  # fmt: skip
    return detector, calibration, found


@pytest.fixture(params=["padim", "gde"])
def model(request, tmp_path):
    detector, calibration, found = trained(request.param)
    file = network(cell=SIZE if request.param == "gde" else CELL)
    packed = pack("part", file, None, detector, calibration, [])
    write_model(packed, str(tmp_path / "model"), fsspec.filesystem("file"))
    return tmp_path / "model", detector, calibration, found


def test_a_package_names_its_detector_and_scores_with_it(model):
    folder, detector, calibration, found = model
    inspector = Inspector.load(folder)
    assert inspector.manifest["scoring"]["detector"] == detector.name
    assert "bank" not in inspector.manifest
    for image, score in zip(HELD_OUT.values(), calibration.image_scores, strict=True):
        assert inspector.inspect(image).image_score == pytest.approx(float(score), rel=1e-4)
    inspection = inspector.inspect(BAD)
    assert inspection.verdict == "defective"
    assert bool(inspection.defects) == (detector.name == "padim")  # gde sees whole images only
    assert inspection.overlay().shape == BAD.shape
    assert inspector.explain(inspection) == []
    parity = compare(inspector, HELD_OUT.values(), found, detector, calibration)
    parity.check()
    assert parity.images == len(HELD_OUT)


def test_another_detector_is_refused(model):
    folder, detector, calibration, found = model
    other = replace(calibration, detector_fingerprint="another")
    with pytest.raises(InputError, match="made from another detector than"):
        compare(Inspector.load(folder), HELD_OUT.values(), found, detector, other)


def test_a_calibration_of_another_detector_is_refused_when_the_model_is_loaded(model):
    folder, *_ = model
    packaged = read_model(folder)
    assert packaged.calibration.detector_fingerprint
    other = replace(packaged.calibration, detector_fingerprint="another")
    write_model(
        replace(packaged, calibration=other),
        str(folder.parent / "other"),
        fsspec.filesystem("file"),
    )
    with pytest.raises(InputError, match=r"do not belong together .The calibration is that of ano"):
        Inspector.load(folder.parent / "other")


def test_a_package_without_its_detector_is_refused(model):
    folder, *_ = model
    told = json.loads((folder / MANIFEST).read_text())
    del told["parts"]["gaussians"]
    (folder / MANIFEST).write_text(json.dumps({**told, "digest": digest_of(told)}))
    with pytest.raises(InputError, match="lists no part 'bank'"):
        read_model(folder)


def test_features_of_another_grid_are_refused(model):
    detector = model[1]
    with pytest.raises(InputError, match=r"fitted to grids of \[\d, \d\] patches.*detection again"):
        detector.search([("odd", np.zeros((3, 5, 3), np.float32))])


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {"name": "spade"},
        lambda one: {"channels": one.channels - 9},
        lambda one: {"channels": one.channels[:0]},
        lambda one: {"channels": one.channels.astype(float)},
        lambda one: {"mean": one.mean[0]},
        lambda one: {"mean": one.mean.astype(str)},
        lambda one: {"whitening": one.whitening[:0]},
        lambda one: {"whitening": one.whitening.astype(int)},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change):
    detector, *_ = trained("padim")
    with pytest.raises(InputError, match="do not fit together: run the pipeline detection again"):
        replace(detector, **change(detector))
