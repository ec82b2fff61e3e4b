"""Measure models with and without a region of interest: ``python benchmarks/region.py PHOTOS MODEL MODEL ...``.

PHOTOS holds the folders ``good``, of good photos that no model has seen, ``defective``, and ``masks`` with a mask of
each defective photo. Writes a table with a row for each model: rows of its memory bank, AUROC of the image scores,
parts flagged, marks that touch no defect, and the median time of an inspection.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from reb_pipeline import Inspector
from reb_pipeline.calibration.verdicts import above
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.inspection import Inspection

HEAD = """\
| model | rows | image AUROC | good flagged | defective flagged | false marks, good | …, defective | an image |
|---|---|---|---|---|---|---|---|
"""
TOUCHING = np.ones((3, 3), int)


def false_marks(found: Inspection, threshold: float, defective: np.ndarray) -> int:
    """Count the marked regions of a map that touch no defective pixel, bool [height, width]."""
    labels, n = ndimage.label(above(found.anomaly_map, threshold), structure=TOUCHING)
    return n - len(np.setdiff1d(labels[defective], [0]))


def mask_of(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a mask, bool [height, width] of a map's shape."""
    with Image.open(path) as mask:
        small = mask.convert("L").resize(shape[::-1], Image.Resampling.BOX)
    return np.asarray(small) > 0


def row_of(model: str, photos: Path) -> str:
    """Inspect all photos with a model and describe the results in a row."""
    inspector = Inspector.load(model)
    scores: dict[str, list[float]] = {"good": [], "defective": []}
    marks, seconds = dict.fromkeys(scores, 0), []
    for kind, of_kind in scores.items():
        for path in sorted((photos / kind).iterdir()):
            found = inspector.inspect(path)
            of_kind.append(found.image_score)
            seconds.append(found.seconds)
            defective = np.zeros(found.anomaly_map.shape, bool)
            if kind == "defective":
                defective = mask_of(photos / "masks" / f"{path.stem}.png", defective.shape)
            marks[kind] += false_marks(found, inspector.pixel_threshold, defective)
    good, bad = scores.values()
    auroc = roc_auc_score([0] * len(good) + [1] * len(bad), [*good, *bad])
    shares = [
        f"{(np.array(of) > inspector.image_threshold).sum()} of {len(of)}" for of in (good, bad)
    ]
    cells = [
        Path(model).name, f"{len(inspector.detector.features):,}", f"{100 * auroc:.2f}", *shares,
        str(marks["good"]), str(marks["defective"]), f"{1000 * median(seconds):.0f} ms",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Write the table of all models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("models", nargs="+")
    given = parser.parse_args()
    sys.stdout.write(HEAD + "".join(row_of(model, given.photos) for model in given.models))


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
