"""Predicted against real detection: ``python -m benchmarks.detection_probability ENV CATEGORY --out FOLDER``.

Of at most 100 good images that are no test, in random order, two thirds are learnt (shipped scores, coreset 10 %) and
a third calibrates (false alarms asked for: 5 %). On the latter, defects of six kinds are drawn at four contrasts, as
by the pipeline ``detection_probability``. Real defects with a mask are scored too, at most 120, and put into bins of
equal numbers by their length, the longest extent of a connected piece of the mask. For each bin the share that is
flagged is compared with what the curves say of defects of these lengths: the mean of all kinds at each contrast; at
the contrast ``like the part``, twice the spread of grey levels around each place of a good part; and at the contrast
of each of the real ones, the mean absolute difference to the median of a ring around the mask, which only labels can
tell. A bin is ``inside`` if its share lies between the bounds, widened by the chance of so few images, and ``below
the worst kind`` if it is under the lower bound of that kind. Writes ``detection_<category>.md`` and ``.png``.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from scipy.stats import binom, binomtest

from benchmarks.contaminated import PARAMS, SETTINGS
from benchmarks.defaults import markdown
from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.core.text_lists import masks_of
from reb_pipeline.defectmaker.probes import draw_probes
from reb_pipeline.defectmaker.settings import DetectionProbabilitySettings
from reb_pipeline.defectmaker.sizes import longest_extent
from reb_pipeline.defectmaker.synthesis import estimate_saliency
from reb_pipeline.detectors.probes import score_probes
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.images.samples import Samples
from reb_pipeline.metrics.detection_probability import DRAWN_CONTRAST, fit_curve
from reb_pipeline.scoring.detector import MemoryBankDetector

GOOD, REAL = 100, 120  # images at most
RATE = 0.05  # of false alarms
CONTRASTS = [10.0, 20.0, 40.0, 80.0]
BINS = 4
RING = 0.02  # width of the ring around a mask, share of the image's side
SPREADS = 2.0  # contrast like the part, in spreads of its grey levels


def grey_of(image: np.ndarray) -> np.ndarray:
    """Convert to grey levels, float32 [H, W]."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def contrast_of(image: np.ndarray, mask: np.ndarray) -> float:
    """Measure how far a real defect is from the part: its mean absolute difference to the median around it."""
    width = max(3, round(RING * np.sqrt(mask.size)))
    around = cv2.dilate(mask.astype(np.uint8), np.ones((2 * width + 1,) * 2)).astype(bool) & ~mask
    grey = grey_of(image)
    middle = np.median(grey[around]) if around.any() else np.median(grey)
    return float(np.abs(grey[mask] - middle).mean())


def spread_of(image: np.ndarray) -> float:
    """Measure the texture of a part: the median over places of the standard deviation of grey levels around each."""
    side = max(3, round(2 * RING * np.sqrt(image.shape[0] * image.shape[1])) | 1)
    grey = grey_of(image)
    mean, square = (cv2.blur(values, (side, side)) for values in (grey, grey**2))
    return float(np.median(np.sqrt(np.maximum(square - mean**2, 0))))


def real_defects(samples: Samples) -> pd.DataFrame:
    """Measure the defects of masks: id, length in pixels of the photo, and contrast."""
    rows = []
    found = zip(samples.table.iterrows(), samples.openers, strict=True)
    for (_, row), opener in progress(found, "real defects measured", total=len(samples)):
        mask = samples.images.open_mask(*masks_of(row))
        if mask.any():
            pieces, labels = cv2.connectedComponents(mask.astype(np.uint8))
            length = max(longest_extent(labels == piece) for piece in range(1, pieces))
            rows.append((row["id"], length, contrast_of(opener(), mask)))
    return pd.DataFrame(rows, columns=["id", "length", "contrast"])


class Kind:
    """Share of drawn defects of a kind and contrast that is found, over length.

    Args:
        draws: The draws, with ``found``.
    """

    def __init__(self, draws: pd.DataFrame) -> None:
        self.share = float(draws["found"].mean())
        interval = binomtest(int(draws["found"].sum()), len(draws)).proportion_ci(0.9)
        self.constant = (self.share, float(interval.low), float(interval.high))
        try:
            self.curve = fit_curve(draws["length"], draws["found"], draws["image_id"])
        except InputError:  # all or none are found, or nothing overlaps
            self.curve = None

    def at(self, lengths: np.ndarray) -> np.ndarray:
        """Predict the share found with its lower and upper bound, [3, lengths]."""
        if self.curve is None:
            return np.repeat(np.array(self.constant)[:, None], len(lengths), axis=1)
        return np.stack([self.curve.probability(lengths), *self.curve.bounds(lengths)])


def predictions(
    kinds: dict[tuple[str, float], Kind], real: pd.DataFrame, like_part: float
) -> dict[str, np.ndarray]:
    """Predict shares of real defects: mean of all kinds, its bounds, the worst kind's lower bound, [4, defects]."""
    lengths, names = real["length"].to_numpy(), sorted({kind for kind, _ in kinds})

    def at(contrasts: np.ndarray) -> np.ndarray:
        nearest = np.abs(np.log(contrasts[:, None] / CONTRASTS)).argmin(axis=1)
        values = np.empty((len(names), 3, len(real)))
        for place, name in enumerate(names):
            for level, contrast in enumerate(CONTRASTS):
                values[place][:, nearest == level] = kinds[name, contrast].at(
                    lengths[nearest == level]
                )
        return np.concatenate([values.mean(axis=0), values[:, 1].min(axis=0)[None]])

    same = {f"{one:g} grey levels": at(np.full(len(real), one)) for one in CONTRASTS}
    matched = np.full(len(real), like_part)
    return {
        **same,
        "like the part": at(matched),
        "as the real ones": at(real["contrast"].to_numpy()),
    }


def compare(real: pd.DataFrame, predicted: dict[str, np.ndarray]) -> pd.DataFrame:
    """Compare the share found in each bin of lengths with what was predicted."""
    order = np.argsort(real["length"].to_numpy(), kind="stable")
    rows = []
    for place in np.array_split(order, BINS):
        some = real.iloc[place]
        n, share = len(some), float(some["found"].mean())
        interval = binomtest(int(some["found"].sum()), n).proportion_ci(0.95)
        row: dict[str, Any] = {
            "lengths, px": f"{some['length'].min():.0f}–{some['length'].max():.0f}",
            "defects": n,
            "found, %": f"{100 * share:.0f} ({100 * interval.low:.0f}–{100 * interval.high:.0f})",
        }
        for name, values in predicted.items():
            mean, low, high, worst = values[:, place].mean(axis=1)
            least, most = (binom.ppf(q, n, p) / n for q, p in ((0.025, low), (0.975, high)))
            inside = "inside" if least <= share <= most else "outside"
            above = "" if share >= worst else ", below the worst kind"
            row[name] = f"{100 * mean:.0f} ({100 * low:.0f}–{100 * high:.0f}) {inside}{above}"
        rows.append(row)
    return pd.DataFrame(rows).set_index("lengths, px")


def draw(kinds: dict[tuple[str, float], Kind], real: pd.DataFrame, title: str, path: Path) -> None:
    """Draw the mean curve of all kinds at each contrast with its bounds, and the real shares."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    sizes = np.geomspace(real["length"].min(), real["length"].max(), 60)
    for contrast in CONTRASTS:
        of_kinds = np.mean(
            [one.at(sizes) for (_, c), one in kinds.items() if c == contrast], axis=0
        )
        (line,) = axes.plot(sizes, 100 * of_kinds[0], label=f"drawn, {contrast:g} grey levels")
        axes.fill_between(sizes, *(100 * of_kinds[1:]), alpha=0.12, color=line.get_color())
    order = np.argsort(real["length"].to_numpy(), kind="stable")
    for number, place in enumerate(np.array_split(order, BINS)):
        some = real.iloc[place]
        share = float(some["found"].mean())
        interval = binomtest(int(some["found"].sum()), len(some)).proportion_ci(0.95)
        error = [[100 * max(share - interval.low, 0)], [100 * max(interval.high - share, 0)]]
        label = None if number else "real, 95 % interval"
        middle = float(some["length"].median())
        axes.errorbar(middle, 100 * share, error, fmt="ko", capsize=4, label=label)
    axes.set(xscale="log", ylim=(-2, 102), title=title)
    axes.set_xlabel("longest extent of the defect, px")
    axes.set_ylabel("found, %")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=100)


def share_out(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the good images to learn from and to calibrate with, and the defective ones."""
    rng = np.random.default_rng(0)
    good = table[(table["label"] == 0) & (table["split"] != "test")]
    good = good.iloc[rng.permutation(len(good))[:GOOD]].reset_index(drop=True)
    good["split"] = np.where(good.index < len(good) // 3, "calibration", "train")
    bad = table[(table["label"] == 1) & (table["mask_paths"] != "[]")]
    return good, bad.iloc[np.sort(rng.permutation(len(bad))[:REAL])]


def measure(images: Any, sections: dict[str, Any], n_draws: int, path: Path) -> str:
    """Measure one category and draw it; return the tables."""
    good, bad = share_out(images.table)
    samples, defects = Samples(good, images), Samples(bad, images)
    encoder = Encoder.initial(sections["features"])
    held_out, synthesis = samples.held_out_good, sections["defect_synthesis"]

    def features_of(some: Samples) -> ImageFeatures:
        return ImageFeatures.of_samples(some, encoder, "images of which features are extracted")

    detector = MemoryBankDetector.fit(
        features_of(samples.good_training), SETTINGS, sections["scoring"]
    )
    threshold = conformal_threshold(detector.detect(features_of(held_out)).image_scores, RATE)
    settings = DetectionProbabilitySettings(draws=n_draws, contrasts=CONTRASTS)
    size, saliency = sections["features"].image_size, estimate_saliency(samples, synthesis)
    probes = draw_probes(held_out, saliency, synthesis, settings, size)
    draws = score_probes(probes, features_of(held_out), detector, "cpu")
    draws["found"] = draws["score"] > threshold
    kept = draws[draws["drawn_contrast"] >= DRAWN_CONTRAST * draws["contrast"]]
    kinds = {
        (str(rows["kind"].iloc[0]), float(rows["contrast"].iloc[0])): Kind(rows)
        for _, rows in kept.groupby(["kind", "contrast"])
    }
    scores = detector.detect(features_of(defects)).image_scores
    real = real_defects(defects)
    real["found"] = real["id"].map(dict(zip(defects.ids, scores > threshold, strict=True)))
    draw(kinds, real, f"{images.category}: drawn and real defects", path.with_suffix(".png"))
    like_part = SPREADS * float(np.median([spread_of(one) for _, one in held_out.stream()]))
    low, high = real["contrast"].quantile([0.1, 0.9])
    facts = (
        f"{images.category}: {len(samples.good_training)} learnt, {len(held_out)} calibrate, {len(real)} real defects, "
        f"{100 * real['found'].mean():.0f} % found; contrast like the part {like_part:.0f}, of real defects {low:.0f} "
        f"to {high:.0f} (10 to 90 %)"
    )
    shares = {c: {kind: 100 * one.share for (kind, other), one in kinds.items() if other == c}
              for c in CONTRASTS}  # fmt: skip
    found = pd.DataFrame(shares).rename_axis("found of the draws, %")
    return f"{facts}\n\n{markdown(compare(real, predictions(kinds, real, like_part)))}\n\n{markdown(found)}\n"


def main() -> None:
    """Measure one category, write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("env")
    parser.add_argument("category")
    parser.add_argument("--data-root")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("detection_probability"))
    arguments = parser.parse_args()
    bootstrap_project(Path.cwd())
    features = {**PARAMS["features"], "image_size": arguments.image_size}
    params: dict[str, Any] = {**PARAMS, "features": features}
    if arguments.data_root:
        params["data_root"] = arguments.data_root
    with KedroSession.create(env=arguments.env, runtime_params=params) as session:
        context = session.load_context()
        images = context.catalog.load(f"{arguments.category}.raw_images")
        sections = context.params[arguments.category]
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"detection_{arguments.category}"
    text = measure(images, sections, arguments.draws, path)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
