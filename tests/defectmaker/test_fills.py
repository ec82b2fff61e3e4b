import os

import cv2
import numpy as np
import pytest
from PIL import Image

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.fills import (
    FILLS,
    Donor,
    Material,
    TextureFolder,
    draw_salient,
    noise,
)
from reb_pipeline.defectmaker.images import ImageFiles
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings

RNG = np.random.default_rng(0)
NOTHING = Material((), ())


def coordinates(height, width):
    """An image whose red and green tell row and column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


def donor(height, width, pixel):
    saliency = np.zeros((height, width), bool)
    saliency[pixel] = True
    return Donor(coordinates(height, width), saliency)


@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize("box", [(1, 1), (1, 40), (33, 2), (50, 60), (300, 4)])
@pytest.mark.parametrize("scale", [0.125, 1.0, 4.0])
def test_fills_have_the_box_s_size(name, box, scale):
    material = Material(
        [donor(20, 31, (5, 5)), donor(250, 90, (0, 89))],
        [coordinates(9, 200), coordinates(1, 1)],
        scale,
    )
    for seed in range(10):
        fill = FILLS[name](np.random.default_rng(seed), box, material)
        assert fill.dtype == np.uint8
        assert fill.shape == (*box, 3)


@pytest.mark.parametrize(
    ("pixel", "corner"),
    [((100, 120), (95, 112)), ((0, 0), (0, 0)), ((255, 255), (245, 239)), ((3, 130), (0, 122))],
)
def test_cut_paste_cuts_around_the_salient_pixel_inside_the_image(pixel, corner):
    cut = FILLS["cut_paste"](RNG, (11, 17), Material([donor(256, 256, pixel)], ()))
    expected = coordinates(256, 256)[corner[0] : corner[0] + 11, corner[1] : corner[1] + 17]
    np.testing.assert_array_equal(cut, expected)


def test_cut_paste_draws_all_donors():
    donors = [
        Donor(np.full((256, 256, 3), value, np.uint8), np.ones((256, 256), bool))
        for value in range(4)
    ]
    seen = {int(FILLS["cut_paste"](RNG, (2, 2), Material(donors, ())).max()) for _ in range(60)}
    assert seen == set(range(4))


def test_pieces_of_larger_images_are_scaled_down_to_the_image():
    """A 512 px texture in a 256 px image shows twice as much of itself."""
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, (np.arange(512) // 8) % 2 == 1] = 255
    for seed in range(5):
        piece = FILLS["texture"](np.random.default_rng(seed), (16, 64), Material((), [stripes]))
        edges = np.flatnonzero(np.diff((piece[0, :, 0] > 127).astype(int)))
        assert np.diff(edges) == pytest.approx(4, abs=1)


def test_noise_is_within_the_reference_s_grid():
    means, spreads = [], []
    for seed in range(300):
        fill = noise(np.random.default_rng(seed), (40, 40), NOTHING).astype(int)
        means.append(fill.mean())
        spreads.append(fill.max() - fill.min())
    assert 47 < min(means) < 55
    assert 185 < max(means) < 193
    assert min(spreads) == 0  # flat grey
    assert 80 <= max(spreads) <= 150  # bicubic enlargement overshoots


def test_noise_is_coarser_in_larger_images():
    """The same seed draws the same grid of colours, enlarged."""
    for seed in range(30):
        small = noise(np.random.default_rng(seed), (32, 32), Material((), (), 1.0))
        large = noise(np.random.default_rng(seed), (128, 128), Material((), (), 4.0))
        shrunk = cv2.resize(large, (32, 32), interpolation=cv2.INTER_AREA)
        assert abs(shrunk.astype(int) - small).mean() < 12


@pytest.mark.parametrize("salient", [1, 3, 400])
def test_salient_pixels_are_drawn_evenly(salient):
    """Both where probing finds one and where all have to be listed."""
    saliency = np.zeros((25, 40), bool)
    saliency.flat[RNG.permutation(1000)[:salient]] = True
    draws = [draw_salient(RNG, saliency) for _ in range(600)]
    assert all(saliency[pixel] for pixel in draws)
    if salient == 3:
        counts = [draws.count(pixel) for pixel in set(draws)]
        assert len(counts) == 3
        assert min(counts) > 150
    elif salient == 400:
        assert len(set(draws)) > 250
        assert np.mean(draws, axis=0) == pytest.approx(np.argwhere(saliency).mean(axis=0), abs=1.5)


def test_nothing_to_draw_from_is_said():
    with pytest.raises(InputError, match="no salient pixel"):
        draw_salient(RNG, np.zeros((5, 5), bool))
    with pytest.raises(InputError, match="'cut_paste' has no good image"):
        FILLS["cut_paste"](RNG, (2, 2), NOTHING)
    with pytest.raises(InputError, match="'texture' has no image"):
        FILLS["texture"](RNG, (2, 2), NOTHING)
    with pytest.raises(InputError, match=r"A texture is float64 \[4, 4\]"):
        FILLS["texture"](RNG, (2, 2), Material((), [np.zeros((4, 4))]))


def test_texture_folder_lists_images_below_and_opens_them(tmp_path):
    (tmp_path / "banded").mkdir()
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "banded" / "b.PNG"), red)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4), 7, np.uint8))
    (tmp_path / "labels.txt").write_text("not an image")
    (tmp_path / ".a.png").write_bytes(b"hidden")
    textures = TextureFolder(str(tmp_path))
    assert len(textures) == 2
    assert textures[0].tolist() == np.full((4, 4, 3), 7).tolist()
    assert textures[1].tolist() == red[..., ::-1].tolist()


@pytest.mark.parametrize(("count", "held_out"), [(1, 1), (2, 1), (10, 1), (11, 2), (25, 3)])
def test_textures_to_train_on_are_not_held_out(tmp_path, count, held_out):
    for number in range(count):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), np.full((2, 2), number, np.uint8))
    settings = DefectSynthesisSettings(fills=["texture"], texture_folder=str(tmp_path))
    to_train, kept = (
        {int(texture[0, 0, 0]) for texture in settings.textures(held_out=part)}
        for part in (False, True)
    )
    assert len(kept) == held_out
    assert to_train | kept == set(range(count))
    assert to_train.isdisjoint(kept) or count == 1


def test_unusable_texture_folders_are_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        TextureFolder(str(tmp_path / "absent"))
    with pytest.raises(InputError, match="holds no image"):
        TextureFolder(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="is not a readable image"):
        TextureFolder(str(tmp_path))[0]


def test_pipes_and_folders_of_hidden_files_beside_textures_are_no_textures(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    (tmp_path / ".hidden").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / ".hidden/b.png")
    os.mkfifo(tmp_path / "pipe.png")
    files = ImageFiles(str(tmp_path), "Texture folder")
    assert files.paths == ["a.png", "pipe.png"]
    assert files.read("a.png").shape == (8, 8, 3)
    with pytest.raises(InputError, match=r"pipe.png' cannot be read \(it is no regular file"):
        files.read("pipe.png")
