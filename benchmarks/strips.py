"""Lay out strips of real photos to measure models on: ``python benchmarks/strips.py TILES OUT``.

TILES holds the magnetic tiles (MT_Free, MT_Crack, ...). Writes two sets, each with ``learn/good`` for `reb train` and
``unseen`` (``good``, ``defective``, ``masks``) for ``benchmarks/region.py``:

- ``wide``: the photos that are 2.2 to 2.7 times as wide as high, unchanged.
- ``joined``: strips of 240 x 1200 pixels, five squares cut from other photos in a row; in a defective one, one of the
  five is cut around a defect. No photo is in two strips.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, SQUARES = 240, 5
WIDE = 2.2, 2.7  # width over height of the set wide
SQUARE = 0.5, 1.6  # of photos that squares are cut from
LEARN = {"wide": 40, "joined": 50}
UNSEEN = 30  # good strips of the set joined
DEFECTIVE = 48  # defective strips of the set joined


def photos(tiles: Path, aspects: tuple[float, float], *, good: bool) -> list[Path]:
    """List photos within a range of aspects in an order that depends on nothing but their names."""
    found = []
    for path in sorted(tiles.glob("MT_*/Imgs/*.jpg")):
        if (path.parts[-3] == "MT_Free") == good:
            with Image.open(path) as image:
                if aspects[0] <= image.width / image.height <= aspects[1]:
                    found.append(path)
    if not good:  # a few photos of defective tiles have an empty mask
        found = [
            path
            for path in found
            if Image.open(path.with_suffix(".png")).convert("L").getextrema()[1] > 127
        ]
    order = np.random.default_rng(0).permutation(len(found))
    return [found[index] for index in order]


def square_of(path: Path, *, around_defect: bool = False) -> tuple[Image.Image, Image.Image]:
    """Cut the largest square from the middle of a photo, or as near to its defect as it lies; and its mask."""
    image, mask = Image.open(path).convert("L"), Image.new("L", Image.open(path).size)
    centre = np.array(image.size) / 2
    if around_defect:
        mask = Image.open(path.with_suffix(".png")).convert("L")
        rows, columns = np.nonzero(np.asarray(mask) > 127)
        centre = np.array([columns.mean(), rows.mean()])
    side = min(image.size)
    left, top = np.clip(centre - side / 2, 0, np.array(image.size) - side).round().astype(int)
    box = (left, top, left + side, top + side)
    return image.crop(box).resize((SIDE, SIDE)), mask.crop(box).resize(
        (SIDE, SIDE), Image.Resampling.NEAREST
    )


def join(parts: list[tuple[Image.Image, Image.Image]]) -> tuple[Image.Image, Image.Image]:
    """Put squares and their masks in a row."""
    strips = tuple(Image.new("L", (SIDE * len(parts), SIDE)) for _ in range(2))
    for number, part in enumerate(parts):
        for strip, one in zip(strips, part, strict=True):
            strip.paste(one, (SIDE * number, 0))
    return strips[0], strips[1]


def save(image: Image.Image, out: Path, name: str) -> None:
    """Save an image as PNG."""
    out.mkdir(parents=True, exist_ok=True)
    image.save(out / f"{name}.png")


def write_wide(tiles: Path, out: Path) -> None:
    """Write the photos that are wide."""
    for number, path in enumerate(photos(tiles, WIDE, good=True)):
        folder = "learn/good" if number < LEARN["wide"] else "unseen/good"
        save(Image.open(path), out / folder, path.stem)
    for path in photos(tiles, WIDE, good=False):
        save(Image.open(path), out / "unseen/defective", path.stem)
        save(Image.open(path.with_suffix(".png")), out / "unseen/masks", path.stem)


def write_joined(tiles: Path, out: Path) -> None:
    """Write strips of five squares."""
    good = iter(photos(tiles, SQUARE, good=True))

    def squares(n: int) -> Iterator[tuple[Image.Image, Image.Image]]:
        return (square_of(next(good)) for _ in range(n))

    for number in range(LEARN["joined"] + UNSEEN):
        folder = "learn/good" if number < LEARN["joined"] else "unseen/good"
        save(join(list(squares(SQUARES)))[0], out / folder, f"{number:03}")
    places = np.random.default_rng(1)
    for number, path in enumerate(photos(tiles, SQUARE, good=False)[:DEFECTIVE]):
        parts = list(squares(SQUARES - 1))
        parts.insert(int(places.integers(SQUARES)), square_of(path, around_defect=True))
        strip, mask = join(parts)
        name = f"{number:03}_{path.parts[-3]}"
        save(strip, out / "unseen/defective", name)
        save(mask, out / "unseen/masks", name)


def main() -> None:
    """Write both sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tiles", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    write_wide(given.tiles, given.out / "wide")
    write_joined(given.tiles, given.out / "joined")


if __name__ == "__main__":
    sys.exit(main())
