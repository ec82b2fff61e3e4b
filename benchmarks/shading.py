"""Write photos as a camera with shading takes them: ``python benchmarks/shading.py PHOTOS OUT``.

OUT/photos holds the photos of PHOTOS, in the same folders, and OUT/empty.png the empty field. The light is 1.4 times
the mean at the right, 0.6 times at the left, and falls to the corners. Masks stay as they are: images with "mask" in
their path.
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from reb_pipeline.images.folder import IMAGE_SUFFIXES

SLOPE, CORNER = 0.4, 0.3
PAPER, NOISE = 150, 4  # grey levels of the empty field


def light_of(height: int, width: int) -> np.ndarray:
    """Draw the light, float64 [height, width, 1] with a mean of 1."""
    y, x = (np.linspace(-1, 1, side) for side in (height, width))
    light = (1 + SLOPE * x) * (1 - CORNER * (x**2 + y[:, None] ** 2) / 2)
    return (light / light.mean())[..., None]


def shaded(image: np.ndarray) -> np.ndarray:
    """Multiply an image, [height, width, 3] of 0 to 255, by the light, as a camera of 8 bits records it."""
    return np.clip(np.rint(image * light_of(*image.shape[:2])), 0, 255).astype(np.uint8)


def main() -> None:
    """Write the photos and the empty field."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    for path in sorted(given.photos.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        target = given.out / "photos" / path.relative_to(given.photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        if "mask" in str(path.relative_to(given.photos)):
            shutil.copy(path, target)
            continue
        with Image.open(path) as photo:
            image = np.asarray(photo.convert("RGB"))
        Image.fromarray(shaded(image)).save(target.with_suffix(".png"))
        empty = PAPER + rng.normal(0, NOISE, image.shape)
    Image.fromarray(shaded(empty)).save(given.out / "empty.png")


if __name__ == "__main__":
    sys.exit(main())
