"""Images of something else: ``python benchmarks/not_this_part.py MODEL GOOD DEFECTIVE OTHER``.

GOOD and DEFECTIVE are folders of photos of the part that the model has not seen, OTHER one of photos of other parts,
which are squeezed to the aspect of the good ones. Beside them, the first ten good photos are changed as by another
camera. Writes how many of each kind are undecided.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from reb_pipeline import Inspector
from reb_pipeline.calibration.verdicts import UNDECIDED
from reb_pipeline.core.errors import print_input_error

CHANGED = 10  # photos
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "black frame": lambda photo: 0 * photo,
    "white frame": lambda photo: 0 * photo + 255,
    "half as bright": lambda photo: photo * 0.5,
    "bluish: red less by 20 %, blue more by 30 %": lambda photo: photo * [0.8, 1, 1.3],
    "red and blue swapped": lambda photo: photo[..., ::-1],
    "grey camera": lambda photo: np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2),
}


def photos_of(folder: Path, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
    """Open the photos of a folder, of a size if one is given."""
    for path in sorted(folder.iterdir()):
        with Image.open(path) as photo:
            rgb = photo.convert("RGB")
            yield np.asarray(rgb.resize(size) if size else rgb)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folders", nargs=3, type=Path, metavar=("GOOD", "DEFECTIVE", "OTHER"))
    given = parser.parse_args()
    inspector = Inspector.load(given.model)
    good, defective, other = given.folders
    first = list(photos_of(good))[:CHANGED]
    size = first[0].shape[1::-1]

    def write(kind: str, photos: Iterable[np.ndarray]) -> None:
        verdicts = [inspector.inspect(photo).verdict for photo in photos]
        sys.stdout.write(f"| {kind} | {verdicts.count(UNDECIDED)} of {len(verdicts)} |\n")

    sys.stdout.write("| image | undecided |\n|---|---|\n")
    write("good part", photos_of(good))
    write("defective part", photos_of(defective))
    write("another part", photos_of(other, size))
    for kind, change in CHANGES.items():
        write(kind, (change(one.astype(float)).clip(0, 255).astype(np.uint8) for one in first))


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
