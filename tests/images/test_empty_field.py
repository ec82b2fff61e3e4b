"""Shading that photos of the empty field show, and its correction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from miniatures import SIZE, draw_part
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.empty_field import DECIMALS, GRID, EmptyField
from reb_pipeline.images.region import NEUTRAL, Region, resized
from reb_pipeline.inspection import Inspector
from tiny_model import HELD_OUT, train, write_tiny

HEIGHT, WIDTH = 60, 80
PART = np.random.default_rng(0).integers(60, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def light(slope=0.4, corner=0.3, shape=(HEIGHT, WIDTH)):
    """Light that falls off to the left and to the corners; its mean is 1."""
    y, x = (np.linspace(-1, 1, side) for side in shape)
    field = (1 + slope * x) * (1 - corner * (x**2 + y[:, None] ** 2) / 2)
    return (field / field.mean())[..., None]


def shaded(image, field):
    return np.clip(np.rint(image * field), 0, 255).astype(np.uint8)


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def paper(field=1.0, level=140, colour=(1, 1, 1), dtype=np.uint8):
    return np.rint(level * np.array(colour) * np.broadcast_to(field, (HEIGHT, WIDTH, 1))).astype(
        dtype
    )


@settings(max_examples=25)
@given(st.floats(-0.4, 0.4), st.floats(0, 0.4), st.sampled_from([(1, 1, 1), (1.2, 1, 0.6)]))
def test_the_correction_gives_back_what_the_shading_took(slope, corner, colour):
    field = light(slope, corner)
    one = paper(field, colour=colour)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reb_pipeline.images.empty_field._photos", lambda _: [("'empty.png'", one)])
        measured = EmptyField.of("empty.png")
    np.testing.assert_allclose(measured.light.mean((0, 1)), 1, atol=1e-3)
    uneven = shaded(PART, field)
    left = np.abs(measured.corrected(uneven).astype(float) - PART)
    assert left.mean() < 2
    assert left.mean() < 0.5 + 0.3 * np.abs(uneven.astype(float) - PART).mean()


def test_dust_and_noise_of_the_photos_are_no_shading(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        one = paper() + rng.integers(0, 20, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        one[10:12, 10 * number : 10 * number + 2] = 30
        saved(tmp_path / f"{number}.png", one)
    assert np.abs(EmptyField.of(str(tmp_path)).light - 1).max() < 0.05


def test_grey_photos_and_those_of_more_bits_show_the_same_light(tmp_path):
    field = light()
    colour = EmptyField.of(saved(tmp_path / "rgb.png", paper(field)))
    grey = EmptyField.of(saved(tmp_path / "grey.png", paper(field)[..., 0]))
    deep = EmptyField.of(saved(tmp_path / "deep.tif", paper(field, 2000, dtype=np.uint16)[..., 0]))
    np.testing.assert_array_equal(grey.light, colour.light)
    np.testing.assert_allclose(deep.light, colour.light, atol=0.02)


def test_the_stored_light_corrects_to_the_same_bytes(tmp_path):
    measured = EmptyField.of(saved(tmp_path / "empty.png", paper(light())))
    again = EmptyField.of_json(measured.as_json())
    np.testing.assert_array_equal(again.light, measured.light)
    np.testing.assert_array_equal(again.corrected(PART), measured.corrected(PART))
    assert len(measured.as_json()["light"]) == 3 * GRID**2
    assert EmptyField.of_json(None) is None


def test_it_comes_before_the_light_is_evened_out_and_the_region_is_filled(tmp_path):
    field = EmptyField.of(saved(tmp_path / "empty.png", paper(light())))
    left = Region.of_polygons([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])
    size = [HEIGHT, WIDTH]
    seen = resized(PART, size, left, "photometric", field)
    expected = resized(field.corrected(PART), size, left, "photometric")
    np.testing.assert_array_equal(seen, expected)
    assert (seen[:, WIDTH // 2 :] == NEUTRAL).all()


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.zeros((8, 8), np.uint8), r"'.*empty\.png' is black, 0\.0% .* with the lamp on"),
        (np.full((8, 8), 255, np.uint8), r"is saturated in 100% of its values.* shorter time"),
        (np.full((8, 8), 65535, np.uint16), "is saturated in 100%"),
        (np.repeat(np.array([[4, 200]], np.uint8), 16, 0).repeat(32, 1), r"nearly black at places"),
        (paper(colour=(1, 0, 0)), r"is black in green, 0\.0% .* a lamp of all colours"),
        (paper(colour=(1, 1, 0.05)), r"is black in blue, 2\.7% .* save all photos as grey"),
    ],
)
def test_photos_that_show_no_light_are_refused(tmp_path, pixels, sentence):
    with pytest.raises(InputError, match=sentence):
        EmptyField.of(saved(tmp_path / "empty.png", pixels))


def test_photos_of_two_sizes_and_files_that_are_none_are_refused(tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    with pytest.raises(InputError, match="holds no image"):
        EmptyField.of(str(folder))
    saved(folder / "0.png", paper())
    saved(folder / "1.png", paper()[:40])
    with pytest.raises(InputError, match=r"differ in size: '1\.png' .* has 80 x 40 .*have 80 x 60"):
        EmptyField.of(str(folder))
    (tmp_path / "text.png").write_text("no image")
    for name in ("text.png", "gone.png"):
        with pytest.raises(InputError, match=rf"features\.empty_field = '.*{name}'"):
            EmptyField.of(str(tmp_path / name))


def test_an_image_of_another_aspect_is_refused(tmp_path):
    field = EmptyField.of(saved(tmp_path / "empty.png", paper()))
    resized(np.zeros((121, 160, 3), np.uint8), 32, None, empty_field=field)  # rounded to pixels
    with pytest.raises(InputError, match=r"1\.333 times .* 40 x 40 pixels is 1\.000 times as wide"):
        resized(np.zeros((40, 40, 3), np.uint8), 32, None, empty_field=field)


def test_a_packaged_model_corrects_as_in_training(tmp_path):
    pytest.importorskip("onnx")
    values = light(shape=(GRID, GRID)).repeat(3, axis=2)
    field = EmptyField(np.round(values, DECIMALS).astype(np.float32), 1.0)
    inspector = Inspector.load(write_tiny(tmp_path / "model", empty_field=field))
    _, calibration, _ = train(empty_field=field)
    scores = [inspector.inspect(image).image_score for image in HELD_OUT.values()]
    np.testing.assert_allclose(scores, calibration.image_scores, rtol=1e-4)
    part = draw_part(300)[0]
    plain = Inspector.load(write_tiny(tmp_path / "plain"))
    assert inspector.inspect(part).image_score != plain.inspect(part).image_score
    with pytest.raises(InputError, match="empty field"):
        inspector.inspect(np.zeros((SIZE, 2 * SIZE, 3), np.uint8))
