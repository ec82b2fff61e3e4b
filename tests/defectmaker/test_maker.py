import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.fills import FILLS, Donor
from reb_pipeline.defectmaker.fusion import FUSIONS, Fusion
from reb_pipeline.defectmaker.maker import REB_KINDS, DefectKind, DefectMaker
from reb_pipeline.defectmaker.shapes import SHAPES, Shape

RNG = np.random.default_rng(0)
KINDS = [DefectKind(*parts) for parts in itertools.product(SHAPES, FILLS, FUSIONS)]


def image_of(*size):
    return RNG.integers(0, 256, (*size, 3), dtype=np.uint8)


def donor_of(*size):
    return Donor(image_of(*size), np.ones(size, bool))


MAKER = DefectMaker([donor_of(64, 64), donor_of(40, 90)], [image_of(50, 70)])
BASE, ALL = image_of(64, 64), np.ones((64, 64), bool)


def check(image, defect):
    """Check the properties of every defect."""
    top, left, height, width = defect.recipe.box
    assert defect.image.dtype == np.uint8
    assert defect.image.shape == image.shape
    assert defect.mask.dtype == bool
    assert defect.mask.shape == image.shape[:2]
    assert defect.mask.any()
    assert 0 <= top < top + height <= image.shape[0]
    assert 0 <= left < left + width <= image.shape[1]
    assert defect.mask[top : top + height, left : left + width].sum() == defect.mask.sum()
    np.testing.assert_array_equal(defect.image[~defect.mask], image[~defect.mask])


@pytest.mark.parametrize("size", [(32, 32), (33, 57), (131, 40)])
def test_every_shape_with_every_fill_and_fusion(size):
    image, saliency = image_of(*size), np.ones(size, bool)
    untouched = image.copy()
    for kind in KINDS:
        defect = MAKER.make(image, saliency, kind, 0, 0)
        check(image, defect)
        assert (defect.recipe.shape, defect.recipe.fill, defect.recipe.fusion) == (
            kind.shape,
            kind.fill,
            kind.fusion,
        )
    np.testing.assert_array_equal(image, untouched)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([*REB_KINDS, *KINDS]),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.integers(0, 2**40),
    st.integers(0, 10**6),
    st.data(),
)
def test_any_size_any_saliency(kind, size, seed, index, data):
    image, saliency = image_of(*size), np.zeros(size, bool)
    saliency.flat[data.draw(st.integers(0, saliency.size - 1))] = True
    check(image, MAKER.make(image, saliency, kind, seed, index))


def test_same_arguments_same_bytes_in_any_order():
    jobs = [(kind, seed, index) for kind in REB_KINDS for seed in (0, 7) for index in range(5)]
    forth = {job: MAKER.make(BASE, ALL, *job) for job in jobs}
    for job in RNG.permutation(np.array(jobs, object)):
        again, first = MAKER.make(BASE, ALL, *job), forth[tuple(job)]
        assert again.image.tobytes() == first.image.tobytes()
        assert again.mask.tobytes() == first.mask.tobytes()
        assert again.recipe == first.recipe
    assert len({defect.image.tobytes() for defect in forth.values()}) == len(jobs)


def test_defects_change_the_image():
    changed = [
        (MAKER.make(BASE, ALL, k, 0, i).image != BASE).any() for k in REB_KINDS for i in range(20)
    ]
    assert all(changed)


def test_the_box_s_centre_is_salient_or_the_box_at_the_border():
    saliency = np.zeros((64, 64), bool)
    saliency[20:24, 30:50] = True
    for kind in REB_KINDS:
        for index in range(20):
            top, left, height, width = MAKER.make(BASE, saliency, kind, 3, index).recipe.box
            inside = 0 < top < 64 - height and 0 < left < 64 - width
            assert saliency[top + height // 2, left + width // 2] or not inside


@pytest.mark.parametrize("kind", REB_KINDS, ids=lambda kind: kind.name)
def test_fusions_and_weights_are_the_reference_s(kind):
    recipes = [MAKER.make(BASE, ALL, kind, 0, index).recipe for index in range(150)]
    blended = kind.shape == "bezier_clump"
    expected = {"blend", "blend_softened"} if blended else {"paste", "softened"}
    fusions = [recipe.fusion for recipe in recipes]
    assert set(fusions) == expected
    assert fusions.count(min(expected)) == pytest.approx(75, abs=25)
    weights = [recipe.weight for recipe in recipes]
    if blended:
        assert 0.5 <= min(weights) < 0.52
        assert 0.98 < max(weights) <= 1
    else:
        assert set(weights) == {1.0}


def test_kinds_are_in_the_order_of_the_labels():
    assert [kind.name for kind in REB_KINDS] == [
        "bezier+cut_paste",
        "bezier_scar+cut_paste",
        "bezier_clump+cut_paste",
        "bezier+noise",
        "bezier_scar+noise",
        "bezier_clump+noise",
    ]
    assert DefectKind("rect", "noise", "poisson").name == "rect+noise+poisson"


def test_recipes_are_json():
    recipe = MAKER.make(BASE, ALL, REB_KINDS[2], np.int64(5), np.int64(6)).recipe
    read = json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert read == {**dataclasses.asdict(recipe), "box": list(recipe.box)}
    assert (read["seed"], read["index"]) == (5, 6)


def test_shapes_that_stay_empty_become_a_rectangle(monkeypatch):
    empty = Shape(lambda _rng, _image: np.zeros((5, 5), bool), ("paste",), 3, (1, 1))
    monkeypatch.setitem(SHAPES, "bezier", empty)
    check(BASE, defect := MAKER.make(BASE, ALL, REB_KINDS[0], 0, 0))
    assert defect.mask.sum() == np.prod(defect.recipe.box[2:])


def test_a_new_part_is_one_function_and_one_line(monkeypatch):
    dot = Shape(lambda _rng, _image: np.ones((3, 3), bool), ("paste",), 3, (1, 1))
    monkeypatch.setitem(SHAPES, "dot", dot)
    monkeypatch.setitem(FILLS, "white", lambda _rng, box, _: np.full((*box, 3), 255, np.uint8))
    darker = Fusion(lambda patch, _fill, mask, _w, _k: np.where(mask[..., None], patch // 2, patch))
    monkeypatch.setitem(FUSIONS, "darker", darker)
    defect = MAKER.make(BASE, ALL, DefectKind("dot", "white", "darker"), 0, 0)
    np.testing.assert_array_equal(defect.image[defect.mask], BASE[defect.mask] // 2)
    assert defect.mask.sum() == 9


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (("bezir", "noise"), "Shape 'bezir' is unknown: did you mean 'bezier'"),
        (("rect", "nose"), "Fill 'nose' is unknown: did you mean 'noise'"),
        (("rect", "noise", "poison"), "Fusion 'poison' is unknown: did you mean 'poisson'"),
    ],
)
def test_unknown_names_are_said(parts, sentence):
    with pytest.raises(InputError, match=sentence):
        DefectKind(*parts)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": BASE.astype(float)}, "The image is float64"),
        ({"image": BASE[..., 0]}, r"The image is uint8 \[64, 64\]"),
        ({"image": BASE[:0]}, "The image is uint8"),
        ({"saliency": ALL.astype(np.uint8)}, "The saliency map is uint8"),
        ({"saliency": ALL[:9]}, r"The saliency map is bool \[9, 64\]"),
        ({"saliency": ~ALL}, "no salient pixel"),
        ({"seed": -1}, "negative"),
    ],
)
def test_wrong_arguments_are_said(change, sentence):
    good = {"image": BASE, "saliency": ALL, "kind": REB_KINDS[3], "seed": 0, "index": 0}
    with pytest.raises(InputError, match=sentence):
        MAKER.make(**{**good, **change})


def test_fills_without_material_are_said():
    maker = DefectMaker([])
    assert maker.make(BASE, ALL, REB_KINDS[3], 0, 0).mask.any()
    for fill in ("cut_paste", "texture"):
        with pytest.raises(InputError, match=f"Fill '{fill}' has no"):
            maker.make(BASE, ALL, DefectKind("rect", fill), 0, 0)


def test_defects_stay_on_the_part():
    """Half of the image is the part; a shape that misses it entirely would stay whole, and none does here."""
    part = np.zeros((64, 64), bool)
    part[:, :32] = True
    masks = [MAKER.make(BASE, part, kind, 0, i).mask for i in range(20) for kind in KINDS]
    assert not any(mask[:, 32:].any() for mask in masks if mask[:, :32].any())
    assert sum(mask[:, :32].any() for mask in masks) > 0.9 * len(masks)
