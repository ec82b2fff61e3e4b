"""Photos that a square squeezes are named before a training, with the size that keeps their aspect."""

import pytest
from PIL import Image

from reb_pipeline.project.photos import find_categories, squeeze_note


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((40, 200), 256, "5.0 times as wide as high, and a square squeezes them: --set features.image_size=[112,576]"),
        ((200, 40), 128, "5.0 times as high as wide, and a square squeezes them: --set features.image_size=[288,64]"),
        ((40, 100), 256, None),
        ((40, 200), [64, 320], None),
        (None, 256, None),  # not readable
    ],
)  # fmt: skip
def test_long_photos_in_a_square_are_named(tmp_path, shape, size, expected):
    (tmp_path / "good").mkdir()
    if shape:
        Image.new("L", shape[::-1]).save(tmp_path / "good/a.png")
    else:
        (tmp_path / "good/a.png").write_text("no image")
    ((category,), _) = find_categories(str(tmp_path), "web", 0.05, {})
    note = squeeze_note(category, size)
    if expected is None:
        assert note is None
    else:
        assert expected in note
        assert note.startswith("web: its photos are ")
