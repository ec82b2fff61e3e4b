"""The strips that models are measured on: whose photos they are made of, and where their defects lie."""

import numpy as np
from benchmarks import strips
from PIL import Image


def make_tiles(root):
    """Good photos of a grey level each, wide and nearly square, and two of either with a defect at the right."""
    sizes = [(50, 20)] * 3 + [(24, 30)] * 18
    for number, size in enumerate(sizes):
        folder = root / "MT_Free/Imgs"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, 10 * number).save(folder / f"{number}.jpg")
    for number, size in enumerate([(50, 20), (24, 30), (24, 30)]):
        folder = root / "MT_Crack/Imgs"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, 255).save(folder / f"{number}.jpg")
        mask = np.zeros(size[::-1], np.uint8)
        if number < 2:  # the last one has an empty mask
            mask[-4:, -4:] = 255
        Image.fromarray(mask).save(folder / f"{number}.png")


def test_no_photo_is_in_two_strips_and_masks_lie_on_the_defects(tmp_path, monkeypatch):
    make_tiles(tmp_path / "tiles")
    monkeypatch.setattr(strips, "LEARN", {"wide": 2, "joined": 2})
    monkeypatch.setattr(strips, "UNSEEN", 0)
    monkeypatch.setattr("sys.argv", ["strips", str(tmp_path / "tiles"), str(tmp_path / "out")])
    strips.main()
    out = tmp_path / "out"
    names = {
        folder: len(list((out / folder).glob("*.png")))
        for folder in ("wide/learn/good", "wide/unseen/good", "wide/unseen/defective", "joined/learn/good",
                       "joined/unseen/defective", "joined/unseen/masks")
    }  # fmt: skip
    assert list(names.values()) == [2, 1, 1, 2, 1, 1]
    levels = []
    for path in [
        *(out / "joined/learn/good").iterdir(),
        *(out / "joined/unseen/defective").iterdir(),
    ]:
        strip = np.asarray(Image.open(path))
        assert strip.shape == (240, 1200)
        levels += [int(level) for level in strip[120, 120::240]]
    assert len(set(levels)) == len(levels) == 15
    (mask,) = (np.asarray(Image.open(path)) > 0 for path in (out / "joined/unseen/masks").iterdir())
    (strip,) = (
        np.asarray(Image.open(path)) for path in (out / "joined/unseen/defective").iterdir()
    )
    assert mask.any()
    assert (strip[mask] == 255).all()
