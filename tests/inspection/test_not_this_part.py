"""Images of something else than the part are undecided, with the reason, before their score is believed."""

import json
import re
from dataclasses import replace

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import cdist

from miniatures import SIZE, draw_part
from reb_pipeline.images.region import Region, resized
from reb_pipeline.images.resize import resize_image
from reb_pipeline.inspection import Inspector
from reb_pipeline.inspection.appearance import (
    LEAST_SHARE,
    Appearance,
    PartCheck,
    appearance_of,
    refused_at_most,
)
from reb_pipeline.inspection.folder import inspect_folder, summary_of
from reb_pipeline.inspection.model import read_model, write_model
from reb_pipeline.inspection.report import report_page
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.service.answers import Extras, answer
from tiny_model import GOOD, tiny_model

pytest.importorskip("onnx")

PART = draw_part(300)[0]
BLACK = np.zeros_like(PART)


def seen(image, region=None):
    return appearance_of(image.shape, resize_image(image, SIZE), region)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    values = np.array([seen(image) for image in GOOD.values()], np.float32)
    place = tmp_path_factory.mktemp("packaged") / "model"
    write_model(
        replace(tiny_model(), appearance=Appearance(values)), str(place), fsspec.filesystem("file")
    )
    return place


@pytest.fixture(scope="module")
def inspector(folder):
    return Inspector.load(folder)


def test_a_model_is_loaded_with_one_search(folder, monkeypatch):
    searched, search = [], MemoryBankDetector.search

    def counted(detector, *given):
        searched.append(detector)
        return search(detector, *given)

    monkeypatch.setattr(MemoryBankDetector, "search", counted)
    inspector = Inspector.load(folder)
    assert len(searched) == 1  # black and white frames only lend their mean feature
    found, grid = inspector.search(PART)
    np.testing.assert_array_equal(inspector.detector.mean_feature(grid), found.mean_features[0])


def test_good_and_defective_parts_are_scored(inspector):
    assert inspector.inspect(PART).verdict == "good"
    assert inspector.inspect(draw_part(500, "bright_spot")[0]).verdict == "defective"


@pytest.mark.parametrize("light", ["photometric", "flat_field", "both"])
def test_a_blank_frame_is_undecided_where_light_is_evened_out(tmp_path, light):
    values = [
        appearance_of(image.shape, resized(image, SIZE, None, light), None)
        for image in GOOD.values()
    ]
    model = replace(tiny_model(light=light), appearance=Appearance(np.array(values, np.float32)))
    write_model(model, str(tmp_path / "model"), fsspec.filesystem("file"))
    inspector = Inspector.load(tmp_path / "model")
    assert inspector.inspect(PART).verdict == "good"
    for level in (0, 128, 255):
        assert inspector.inspect(np.full_like(PART, level)).verdict == "undecided"


def test_a_region_counts_in_images_that_are_no_squares():
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, :32] = 80
    left = Region.of_polygons([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])
    assert appearance_of((32, 64), pixels, left).tolist() == [2, 80, 80, 80, 0]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (BLACK, "Its colours (red 0, green 0, blue 0, contrast 0) are"),
        (np.full_like(PART, 255), "Its colours (red 255, green 255, blue 255"),
        ((PART * 0.4).astype(np.uint8), "check light and camera"),
        (PART[:, :32], "is 0.500 times as wide as high, and the good ones are 1.000 times"),
    ],
)
def test_what_is_not_the_part_is_undecided_with_the_reason(inspector, image, reason):
    found = inspector.inspect(image)
    assert found.verdict == "undecided"
    assert reason in found.reason
    assert found.defects == []


def test_a_report_has_no_score_of_what_is_not_the_part(inspector, tmp_path):
    Image.fromarray(BLACK).save(tmp_path / "black.png")
    Image.fromarray(PART).save(tmp_path / "part.png")
    files = {}
    for _ in range(2):  # the second time from the journal
        inspected = inspect_folder(inspector, str(tmp_path), files)
        black, part = (one.row for one in inspected)
        assert (black["verdict"], part["verdict"]) == ("undecided", "good")
        assert black["image_score"] is None
        assert black["reason"].startswith("Its colours")
        page = report_page(inspector, str(tmp_path), inspected, files)
        text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
        shown, _ = json.loads(text[1])["images"]
        assert shown["reason"] == black["reason"]
        assert shown["large"]  # its picture, without a map
        assert shown["view"]["thumbnail"]
        assert (shown["view"]["heat"], shown["view"]["defects"]) == (None, [])
    assert summary_of(inspected).endswith("1 good, 0 defective, 1 undecided, 0 unreadable.")


def test_another_rate_does_not_call_it_good_later(folder, tmp_path):
    Image.fromarray(BLACK).save(tmp_path / "black.png")
    files = {}
    for rate in (0.001, 0.5):  # without a threshold, then with one
        model = Inspector.load(folder, false_alarm_rate=rate)
        (one,) = inspect_folder(model, str(tmp_path), files)
        assert one.row["verdict"] == "undecided"
        assert one.row["reason"].startswith("Its colours")


def test_the_service_answers_with_the_reason(inspector):
    found = answer(inspector, BLACK, Extras(), "")
    assert found.verdict == "undecided"
    assert "check light and camera" in found.reason
    assert found.defects == []


def test_a_reader_that_does_not_know_the_check_must_refuse_the_model(folder):
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["parts"]["appearance"]["required"]
    again = read_model(folder).appearance
    assert len(again.values) == len(GOOD)


def test_a_model_without_the_check_scores_every_image(inspector):
    former = Inspector.load("tests/inspection/models/former_records")
    assert former.inspect(np.full((48, 64, 3), 255, np.uint8)).verdict == "defective"


def appearance_with(colours):
    return Appearance(np.column_stack([np.ones(len(colours)), colours]).astype(np.float32))


def check_of(colours, features, blank=None):
    features = np.asarray(features, np.float32)
    blank = np.zeros((1, features.shape[1])) if blank is None else blank
    return PartCheck(appearance_with(colours), features, blank, None)


@pytest.mark.parametrize("to_blank", [0.1, 20])
def test_features_far_from_those_of_good_images_are_refused(to_blank):
    features = np.random.default_rng(0).normal(0, 1, (20, 5)).astype(np.float32)
    direction = features[0] / np.linalg.norm(features[0])
    blank = [features[0], features[0] + to_blank * direction]
    check = check_of(np.zeros((4, 4)), features, blank)
    own = cdist(features, features) + 1e9 * np.eye(20)
    limit = max(own.min(axis=1).max(), LEAST_SHARE * cdist(blank[1:], features).min())
    grey = np.zeros((8, 8, 3), np.uint8)
    for step in np.linspace(0, 3 * limit, 40):
        tested = features[0] + step * direction
        is_far = cdist([tested], features).min() > limit
        assert ("resembles no good image" in check.fault((8, 8), grey, tested)) == is_far


@given(st.integers(0, 99))
def test_of_n_plus_one_good_images_at_most_one_is_refused_by_colours(seed):
    levels = np.random.default_rng(seed).integers(0, 256, (9, 3))
    colours = np.column_stack([levels, np.zeros(9)])
    refused = 0
    for index in range(9):  # each in turn is the new one, the limit is that of the others
        check = check_of(np.delete(colours, index, axis=0), np.zeros((0, 3)))
        pixels = np.broadcast_to(levels[index].astype(np.uint8), (8, 8, 3))
        refused += "Its colours" in check.fault((8, 8), pixels, np.zeros(3))
    assert refused <= 1
    assert refused_at_most(appearance_with(colours[1:]), np.zeros((8, 3))) == pytest.approx(2 / 9)


@given(st.lists(st.integers(50, 200), min_size=9, max_size=9))
def test_of_n_plus_one_good_images_at_most_two_are_refused_by_shape(widths):
    grey = np.zeros((8, 8, 3), np.uint8)
    refused = 0
    for index, width in enumerate(widths):
        others = np.delete(widths, index) / 100
        values = np.column_stack([others, np.zeros((8, 4))])
        check = PartCheck(Appearance(values), np.zeros((0, 3)), np.zeros((1, 3)), None)
        refused += "times as wide as high" in check.fault((100, width), grey, np.zeros(3))
        if len(set(others)) > 1:
            assert refused_at_most(Appearance(values), np.zeros((8, 3))) == pytest.approx(4 / 9)
    assert refused <= 2


def test_one_good_image_refuses_what_is_far_from_it():
    check = check_of([[100, 100, 100, 0]], np.full((1, 3), 10), blank=np.zeros((1, 3)))
    grey = np.full((8, 8, 3), 110, np.uint8)
    assert check.fault((8, 8), grey, np.full(3, 12)) == ""
    assert "resembles no good image" in check.fault((8, 8), grey, np.full(3, 16))
    assert "is 2.000 times as wide" in check.fault((8, 16), grey, np.zeros(3))
    assert "Its colours" in check.fault((8, 8), 2 * grey, np.zeros(3))


def test_colours_outside_of_the_region_do_not_count():
    left = np.zeros((SIZE, SIZE), bool)
    left[:, : SIZE // 2] = True
    region = Region(left)
    image = PART.copy()
    image[:, SIZE // 2 :] = 255
    np.testing.assert_allclose(seen(image, region), seen(PART, region))
