"""Write made-up photos of cameras of 5 and 20 megapixels: ``python benchmarks/cameras.py OUT``.

A plate with faint lines, 2448 x 2048 and 5472 x 3648 pixels; in defective ones a dark dent. 4 good ones to learn from,
4 good and 6 defective ones with masks for the test. They measure memory and time, nothing else.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CAMERAS = {"mp5": (2048, 2448), "mp20": (3648, 5472)}  # height, width
PHOTOS = (("train/good", 4, False), ("test/good", 4, False), ("test/dent", 6, True))


def draw(height: int, width: int, seed: int, *, is_dented: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw a plate and the mask of its dent, uint8 [height, width] each."""
    rng = np.random.default_rng(seed)
    plate, mask = np.full((height, width), 110, np.uint8), np.zeros((height, width), np.uint8)
    plate[height // 6 : -height // 6, width // 6 : -width // 6] = 150
    lines = plate[::16]
    lines += rng.integers(0, 4, (len(lines), 1), np.uint8)
    if is_dented:
        top, left = (int(rng.integers(side // 3, side // 2)) for side in (height, width))
        mask[top : top + height // 20, left : left + width // 40] = 255
        plate[mask > 0] = 30
    return plate, mask


def main() -> None:
    """Write the photos of both cameras."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    for name, shape in CAMERAS.items():
        for place, (folder, n, is_dented) in enumerate(PHOTOS):
            masks = out / name / folder.replace("test", "ground_truth")
            (out / name / folder).mkdir(parents=True, exist_ok=True)
            if is_dented:
                masks.mkdir(parents=True, exist_ok=True)
            for number in range(n):
                plate, mask = draw(*shape, 10 * place + number, is_dented=is_dented)
                Image.fromarray(plate).save(
                    out / name / folder / f"{number:03}.png", compress_level=1
                )
                if is_dented:
                    Image.fromarray(mask).save(masks / f"{number:03}_mask.png", compress_level=1)


if __name__ == "__main__":
    sys.exit(main())
