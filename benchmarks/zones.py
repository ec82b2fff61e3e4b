"""Compare one cut-off with one for each zone: ``python benchmarks/zones.py DATA CATEGORY --zones ZONES``.

DATA has the layout of MVTec AD. Features are extracted once. A bank is made of a random half of the good images, 99 of
the others calibrate, the rest and all defective images are tested; then another half is drawn. Writes how many images
are flagged, with scores as they are and by position, with and without zones, and the zone of the worst place of good
images. ZONES is the setting ``scoring.zones`` as YAML; ``--region`` takes ``features.region``.
``--print X Y WIDTH HEIGHT`` first prints a number of six figures on each photo, in shares of its width and height.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw
from sklearn.metrics import roc_auc_score

from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.core.progress import progress
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.features.extractor import PatchExtractor, extract_patches
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.region import Region
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings
from reb_pipeline.scoring.zones import number_patches

RATES = (0.01, 0.05)
CALIBRATION_IMAGES = 99
SIDE = 256  # pixels
CORESET_RATIO = 0.01
# The shipped default, see docs/measured/defaults.md.
SCORING = {
    "n_neighbors": 5,
    "max_neighbors": 5,
    "alpha": 0.5,
    "image_score": "ranked_mean",
    "top_share": 0.1,
}
Found = defaultdict[tuple[str, str], list[float]]


def printed(image: np.ndarray, box: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Print a random number of six figures into a box of an image, dark grey."""
    height, width = image.shape[:2]
    left, top, across, down = np.multiply(box, [width, height, width, height]).astype(int)
    text = Image.new("L", (60, 14))
    ImageDraw.Draw(text).text((2, 1), f"{rng.integers(1e6):06d}", fill=255, font_size=13)
    ink = np.asarray(text.resize((across, down)), np.float32)[..., None] / 255
    place = np.s_[top : top + down, left : left + across]
    found = image.copy()
    found[place] = (1 - ink) * image[place] + ink * 60
    return found


def features(
    data: str, category: str, settings: FeatureSettings, box: Sequence[float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Patch features of all images, float32 [images, h, w, channels], and their kinds, ``good`` or a defect type."""
    images = MVTecADDataset(path=data, category=category).load()
    kinds = {one.path: one.defect_type if one.label else "good" for one in images.samples}
    extractor = PatchExtractor(settings, device="cpu")
    rng = np.random.default_rng(0)
    opened = (
        (path, printed(images.open_image(path), box, rng) if box else images.open_image(path))
        for path in progress(kinds, "patch features")
    )
    return np.stack([grid for _, grid in extract_patches(extractor, opened)]), np.array(
        [*kinds.values()]
    )


def measure(
    grids: np.ndarray, kinds: np.ndarray, region: Region | None, zones: Any, seed: int, found: Found
) -> None:
    """Fit a bank of a random half of the good images, and score the others with and without zones."""
    rng = np.random.default_rng(seed)
    good = rng.permutation(np.flatnonzero(kinds == "good"))
    trained, calibration, test = np.split(
        good, [len(good) // 2, len(good) // 2 + CALIBRATION_IMAGES]
    )
    tested = np.concatenate([calibration, test, np.flatnonzero(kinds != "good")])
    made_with = {"region": region and region.as_json(SIDE)}
    bank = collect_patches(((str(one), grids[one]) for one in trained), len(trained), made_with)
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=CORESET_RATIO, seed=seed))
    density = measure_local_density(bank, coreset, SCORING["n_neighbors"])
    own = search_own_images(bank, coreset, set(evenly_chosen(bank.image_ids)))
    names, numbers = number_patches(zones, _inside(region, grids.shape[1:3]))
    nearest = None
    for normalization in ("none", "position"):
        for name, of_zones in (("one cut-off", None), ("zones", zones)):
            scoring = ScoringSettings(**SCORING, normalization=normalization, zones=of_zones)
            detector = MemoryBankDetector.of(coreset.of(bank), density, scoring, own)
            nearest = nearest or detector.search((str(one), grids[one]) for one in tested)
            detection = detector.score(nearest)
            n, case = len(calibration), f"{normalization}, {name}"
            scores, of_kind = detection.image_scores, kinds[tested]
            others, is_bad = scores[n:], of_kind[n:] != "good"
            found[case, "AUROC"].append(roc_auc_score(is_bad, others))
            for rate in RATES:
                flagged = others > conformal_threshold(scores[:n], rate)
                found[case, f"good, {rate:.0%}"].append(flagged[~is_bad].mean())
                found[case, f"defective, {rate:.0%}"].append(flagged[is_bad].mean())
                for kind in np.unique(of_kind[n:][is_bad]):
                    share = flagged[of_kind[n:] == kind].mean()
                    found[case, f"{kind}, {rate:.0%}"].append(share)
            of_good = detection.patch_scores[: n + len(test)].reshape(n + len(test), -1)
            worst = np.nanargmax(of_good, axis=1)
            for number, zone in enumerate(names):
                found[case, f"worst in {zone}"].append((numbers.ravel()[worst] == number).mean())


def _inside(region: Region | None, grid: tuple[int, int]) -> np.ndarray:
    return np.ones(grid, bool) if region is None else region.patches(grid)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("category")
    parser.add_argument("--zones", required=True, type=yaml.safe_load)
    parser.add_argument("--region", type=yaml.safe_load)
    parser.add_argument("--print", type=float, nargs=4)
    parser.add_argument("--banks", default=6, type=int)
    given = parser.parse_args()
    settings = FeatureSettings(image_size=SIDE, neck="combined", region=given.region)
    grids, kinds = features(given.data, given.category, settings, given.print)
    found: Found = defaultdict(list)
    for seed in progress(range(given.banks), "banks of random halves"):
        measure(grids, kinds, settings.looked_at, given.zones, seed, found)
    cases = list(dict.fromkeys(case for case, _ in found))
    lines = [f"| percent | {' | '.join(cases)} |", f"|---{'|---' * len(cases)}|"]
    for what in dict.fromkeys(what for _, what in found):
        cells = [f"{100 * np.mean(found[case, what]):.1f}" for case in cases]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
