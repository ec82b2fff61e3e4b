"""Colours that mean the same in every image, and marks where they belong."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from fake_inspector import FakeInspector, make_calibration, part
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reb_pipeline.inspection import views
from reb_pipeline.inspection.overlay import (
    OVERLAY_SIDE,
    ColourScale,
    colours,
    draw_overlay,
    outlines,
    shrink,
)
from reb_pipeline.inspection.views import around, heat_layer

INSPECTOR = FakeInspector()
SCALE = ColourScale.of(INSPECTOR.calibration)
NUMBERS = st.floats(-1e3, 1e3, width=32)


@given(st.lists(NUMBERS, min_size=1), NUMBERS, st.floats(1e-3, 1e3))
def test_colours_are_hot_exactly_above_the_threshold(values, threshold, span):
    values = np.array(values, np.float32)
    scale = ColourScale(threshold, span)
    for levels in (scale.levels(values), scale.shades(values)):
        np.testing.assert_array_equal(levels >= 128, values > threshold)
        assert (np.diff(levels[np.argsort(values)].astype(int)) >= 0).all()


def test_scale_begins_at_zero():
    threshold = INSPECTOR.calibration.pixel_threshold
    assert ColourScale(threshold, threshold) == SCALE
    values = threshold * np.array([0, 1, 1.4, 2, 2.4, 4], np.float32)
    assert SCALE.levels(values).tolist() == [0, 127, 179, 255, 255, 255]
    assert SCALE.shades(values).tolist() == [0, 127, 145, 170, 187, 255]


@pytest.mark.parametrize(
    ("calibration", "threshold", "span"),
    [
        (make_calibration(false_alarm_rate=0.001), 0.5, 0.5),  # cannot be promised
        (make_calibration(peak_scores=np.linspace(-3, -1, 99, dtype=np.float32)), -1.08, 2),
        (make_calibration(peak_scores=np.full(99, -2, np.float32)), -2, 1),
        (make_calibration(n=0), 1, 1),
    ],
)
def test_scale_of_odd_calibrations(calibration, threshold, span):
    scale = ColourScale.of(calibration)
    assert (scale.threshold, scale.span) == pytest.approx((threshold, span), abs=0.02)


def test_good_image_stays_calm():
    image = part()
    inspection = INSPECTOR.inspect(image)
    drawn = draw_overlay(image, inspection, SCALE, INSPECTOR.pixel_threshold)
    assert drawn.shape == image.shape
    assert np.abs(drawn.astype(int) - image).mean() < 12
    np.testing.assert_array_equal(image, part())


def test_defect_is_hot_outlined_and_boxed():
    image = part(defect=0.5, size=(400, 600))
    inspection = INSPECTOR.inspect(image)
    drawn = draw_overlay(image, inspection, SCALE, INSPECTOR.pixel_threshold)
    (defect,) = inspection.defects
    x, y, width, height = defect.box
    assert drawn[y, x].tolist() == drawn[y + height - 1, x + width - 1].tolist() == [0, 229, 255]
    middle = drawn[200, 300].astype(int)
    assert middle[0] > middle[2] + 60  # yellow over white
    assert (drawn == 255).all(axis=2).sum() > 200  # the outline


@pytest.mark.parametrize(
    ("changes", "dashed"),
    [
        ({}, False),  # the defect has it
        ({"worst_patch": (20, 30, 40, 50)}, True),
        ({"worst_patch": (20, 30, 40, 50), "verdict": "good"}, False),
        ({"worst_patch": (20, 30, 40, 50), "shows_part": False}, False),
        ({"worst_patch": (20, 30, 40, 50), "defects": []}, True),
    ],
)
def test_the_worst_patch_has_a_dashed_box_where_no_defect_has_it(changes, dashed):
    image = part(defect=0.5, size=(400, 600))
    inspection = INSPECTOR.inspect(image)
    drawn, changed = (
        draw_overlay(image, one, SCALE, INSPECTOR.pixel_threshold)
        for one in (inspection, replace(inspection, **changes))
    )
    box = changed[30:80, 20:60]
    assert (changed[30, 20] == (0, 229, 255)).all() == dashed
    share = (box[0] == (0, 229, 255)).all(axis=1).mean()  # of its upper side
    assert 0.3 < share < 0.8 if dashed else share == 0
    assert (box[2:-2, 2:-2] == drawn[32:78, 22:58]).all()


def test_colours_are_blended_by_their_opacity():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    inspection = replace(
        INSPECTOR.inspect(image),
        anomaly_map=np.tile(np.linspace(0, 4 * SCALE.threshold, 96, dtype=np.float32), (64, 1)),
        defects=[],
        verdict="good",
    )
    drawn = draw_overlay(image, inspection, SCALE, np.inf)
    layer = colours()[SCALE.shades(inspection.anomaly_map)].astype(float)
    opacity = layer[..., 3:] / 255
    assert np.abs(drawn - (image * (1 - opacity) + layer[..., :3] * opacity)).max() <= 1


def test_large_image_gets_a_smaller_overlay():
    image = np.zeros((100, 3 * OVERLAY_SIDE, 3), np.uint8)
    inspection = INSPECTOR.inspect(image)
    drawn = draw_overlay(image, inspection, SCALE, INSPECTOR.pixel_threshold)
    assert drawn.shape == (33, OVERLAY_SIDE, 3)


def test_outlines_are_in_pixels_of_the_image():
    anomaly_map = np.zeros((64, 64), np.float32)
    anomaly_map[16:32, 8:16] = 1
    anomaly_map[60, 60] = 1
    polygons = outlines(anomaly_map, 0.5, (640, 128))
    boxes = sorted(
        [*np.reshape(points, (-1, 2)).min(axis=0), *np.reshape(points, (-1, 2)).max(axis=0)]
        for points in polygons
    )
    # From the middle of the first marked pixel to that of the last.
    assert boxes == [[17, 165, 31, 315], [121, 605, 121, 605]]
    assert outlines(anomaly_map, np.inf, (640, 128)) == []


def test_heat_layer_has_the_colours_and_what_is_hot_is_more_opaque():
    anomaly_map = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (96, 1))
    with Image.open(io.BytesIO(heat_layer(anomaly_map, SCALE))) as image:
        drawn = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(drawn, colours()[SCALE.shades(anomaly_map), :3])
    opacity = colours()[:, 3].astype(int)
    assert opacity[0] == 0
    assert opacity[127] + 20 < opacity[128]
    assert (np.diff(opacity) >= 0).all()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((40, 30, 10, 8), (slice(22, 46), slice(30, 60))),
        ((0, 0, 10, 8), (slice(0, 16), slice(0, 20))),
        ((90, 72, 10, 8), (slice(64, 80), slice(80, 100))),
        ((0, 0, 100, 80), (slice(0, 80), slice(0, 100))),
    ],
)
def test_crop_is_three_patches_wide(box, expected, monkeypatch):
    monkeypatch.setattr(views, "CONTEXT", 1)
    image = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    np.testing.assert_array_equal(around(image, box), image[expected])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_shrinking_keeps_the_shape_and_never_grows(height, width, side):
    shrunk = shrink(np.zeros((height, width, 3), np.uint8), side)
    assert max(shrunk.shape[:2]) == min(side, max(height, width))
    assert min(shrunk.shape[:2]) >= 1


def test_a_value_that_is_no_number_is_outlined():
    anomaly_map = np.zeros((64, 64), np.float32)
    anomaly_map[20:30, 40:60] = np.nan
    assert len(outlines(anomaly_map, 0.5, (64, 64))) == 1


@pytest.mark.parametrize(("size", "stored"), [((1250, 55), (160, 53)), ((400, 600), (107, 160))])
def test_thumbnails_of_strips_stay_visible(size, stored):
    image = part(defect=0.5, size=size)
    view = views.view_of(image, INSPECTOR.inspect(image), [], SCALE, INSPECTOR.pixel_threshold)
    with Image.open(io.BytesIO(base64.b64decode(view["thumbnail"]))) as thumbnail:
        assert thumbnail.size[::-1] == stored
    assert (view["height"], view["width"]) == size  # the unit of boxes and outlines


def test_what_good_parts_have_is_clear():
    """Up to half the threshold an overlay leaves the colours of a part as they are."""
    levels = SCALE.shades(np.linspace(0, 0.5, 20) * SCALE.threshold)
    assert not colours()[levels, 3].any()
    assert colours()[SCALE.shades(np.array([0.9 * SCALE.threshold])), 3] > 0
