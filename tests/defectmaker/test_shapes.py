import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.defectmaker import shapes
from reb_pipeline.defectmaker.shapes import SHAPES

SIZE = (256, 256)
DRAWS = 1000


def draws(name, size, number=DRAWS):
    return [SHAPES[name].draw(np.random.default_rng(seed), size) for seed in range(number)]


@pytest.mark.parametrize(("name", "aspect"), [("bezier", 3.3), ("rect", 3.3), ("bezier_clump", 3)])
def test_large_boxes_keep_to_the_area_and_the_aspect(name, aspect, monkeypatch):
    monkeypatch.setattr(shapes, "_trim", lambda mask: mask)
    sides = np.array([mask.shape for mask in draws(name, SIZE)])
    area = sides.prod(axis=1) / 256**2
    rounding = 0.01  # of a side of 20 px and more, half a pixel each
    assert area.min() >= 0.02 * (1 - 3 * rounding)
    assert area.max() <= 0.15 * (1 + 3 * rounding)
    assert area.min() < 0.025
    assert area.max() > 0.14
    ratio = sides[:, 1] / sides[:, 0]
    assert ratio.max() <= aspect * 1.05
    assert ratio.min() >= 1 / aspect / 1.05
    assert (ratio > 1).mean() == pytest.approx(0.5, abs=0.06)


def test_scar_boxes_keep_to_width_and_height():
    boxes = [shapes._scar_box(np.random.default_rng(seed), SIZE) for seed in range(DRAWS)]
    assert {height for height, _ in boxes} == set(range(15, 31))
    assert {width for _, width in boxes} == set(range(7, 22))


@pytest.mark.parametrize("name", ["bezier_scar", "rect_scar"])
def test_turned_scars_keep_to_their_diagonal(name):
    masks = draws(name, SIZE)
    assert max(max(mask.shape) for mask in masks) <= math.hypot(30, 21) + 1
    assert max(mask.sum() for mask in masks) <= 30 * 21 * 1.1
    assert all(
        mask.any(axis=0)[[0, -1]].all() and mask.any(axis=1)[[0, -1]].all() for mask in masks
    )


@pytest.mark.parametrize(
    ("name", "mean", "low", "high"),
    [
        ("bezier", 0.043, 0.012, 0.083),
        ("bezier_scar", 0.0025, 0.0010, 0.0047),
        ("bezier_clump", 0.015, 0.0039, 0.030),
    ],
)
def test_share_of_the_image_is_the_reference_s(name, mean, low, high):
    """Mean and 5 to 95 % range of 1,500 draws of the reference code."""
    share = np.array([mask.sum() for mask in draws(name, SIZE)]) / 256**2
    assert share.mean() == pytest.approx(mean, rel=0.12)
    assert np.percentile(share, 5) == pytest.approx(low, rel=0.3)
    assert np.percentile(share, 95) == pytest.approx(high, rel=0.15)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_alike_at_256_and_1024(name):
    number = 5 if name == "perlin" else 60  # the whole image each
    small, large = (draws(name, (side, side), number) for side in (256, 1024))
    share = [np.mean([m.sum() for m in masks]) for masks in (small, large)]
    assert share[1] / 16 == pytest.approx(share[0], rel=0.15)
    if name != "bezier_clump":  # its noise has more draws where a side is rounded up
        sides = [np.array([m.shape for m in masks]) for masks in (small, large)]
        np.testing.assert_allclose(sides[1] / 4, sides[0], atol=2)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(0, 2**32),
)
def test_no_mask_is_larger_than_the_image(name, size, seed):
    mask = SHAPES[name].draw(np.random.default_rng(seed), size)
    assert mask.dtype == bool
    assert mask.shape[0] <= size[0]
    assert mask.shape[1] <= size[1]
    assert mask.any() or name in {"bezier_clump", "perlin"}


@pytest.mark.parametrize("size", [(20, 2000), (2000, 20)])
def test_long_strips_are_filled_across(size):
    area = np.array([mask.size for mask in draws("rect", size, 200)]) / (20 * 2000)
    assert area.min() >= 0.02 * 0.95
    assert area.max() <= 0.15 * 1.05


def reference_contour(rng):
    """The reference's generator, step by step: midpoints, split points, control points, curves."""
    points = rng.integers(0, 100, (rng.integers(5, 6, endpoint=True), 2)).astype(float)
    centre = points.mean(axis=0)
    points = sorted(points, key=lambda p: math.atan2(p[1] - centre[1], p[0] - centre[0]))
    n, k = len(points), rng.integers(2, 4, endpoint=True) / 10
    edges = [(points[i - 1], points[i]) for i in range(1, n)] + [(points[-1], points[0])]
    controls = {}
    for i, (start, vertex) in enumerate(edges):
        _, end = following = edges[(i + 1) % n]
        middle, next_middle = (start + vertex) / 2, sum(following) / 2
        d0, d1 = math.dist(start, vertex), math.dist(vertex, end)
        shift = vertex - (middle + (next_middle - middle) * d0 / (d0 + d1))
        for which, point in (("arrive", middle + shift), ("leave", next_middle + shift)):
            controls[which, tuple(vertex)] = point + (vertex - point) * k
    straight = rng.random(n) > 0.5
    out = []
    for i, p0 in enumerate(points):
        p3 = points[(i + 1) % n]
        p1, p2 = controls["leave", tuple(p0)], controls["arrive", tuple(p3)]
        for t in np.linspace(0, 1, 12)[: 1 if straight[i] else -1]:
            out.append(
                (1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3
            )
    return np.array(out)


@pytest.mark.parametrize("seed", range(20))
def test_contours_are_the_reference_s(seed):
    contour = shapes._contour(np.random.default_rng(seed), 5, 6)
    expected = reference_contour(np.random.default_rng(seed))
    np.testing.assert_allclose(contour, expected, atol=1e-6)


def test_filled_contours_span_their_box():
    for seed in range(50):
        contour = shapes._stretch(shapes._contour(np.random.default_rng(seed), 5, 9), (40, 60))
        mask = shapes._fill(contour, SIZE)
        assert mask.shape == (40, 60)
        inside = cv2.contourArea(contour.astype(np.float32))
        assert mask.sum() == pytest.approx(
            inside, abs=cv2.arcLength(contour.astype(np.float32), True)
        )


def test_perlin_is_its_formula():
    size, rng = (24, 40), np.random.default_rng(3)
    mask = SHAPES["perlin"].draw(np.random.default_rng(3), size)
    cells = 2 ** rng.integers(0, 6, 2)
    angle = rng.uniform(0, 2 * math.pi, cells + 1)
    fade = lambda t: 6 * t**5 - 15 * t**4 + 10 * t**3  # noqa: E731
    noise = np.empty(size)
    for row, column in np.ndindex(*size):
        y, x = ((i + 0.5) * c / s for i, c, s in zip((row, column), cells, size, strict=True))
        dot = [
            [
                math.sin(angle[int(y) + i, int(x) + j]) * (y % 1 - i)
                + math.cos(angle[int(y) + i, int(x) + j]) * (x % 1 - j)
                for j in (0, 1)
            ]
            for i in (0, 1)
        ]
        upper, lower = (left + fade(x % 1) * (right - left) for left, right in dot)
        noise[row, column] = math.sqrt(2) * (upper + fade(y % 1) * (lower - upper))
    sure = abs(noise - 0.5) > 1e-4
    np.testing.assert_array_equal(mask[sure], (noise > 0.5)[sure])
    assert 0 < mask.mean() < 0.5
