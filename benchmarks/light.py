"""Other light, focus and place than those learnt: ``python -m benchmarks.light ENV CATEGORY --out FOLDER``.

The good images of a category are shared out: half of them, at most 60, make the bank (shipped scores, coreset 10 %;
false alarms asked for: 5 %), 30 %, at most 40, calibrate, and the others, at most 30, are tested with as many
defective ones. Only the tested images are changed, in steps. Image AUROC says whether defects still differ from good
parts that were changed alike, the share of flagged good parts whether the threshold still holds. Beside images as they
are: ``photometric``, each image brought to the mean and spread of the bank's, by channel; ``flat field``, each divided
by its own blurred light; ``both``, first the flat field. They change all images, those of the bank too. And
``augmented``: the bank holds each image once more in random light. Writes ``light_<category>.md`` and ``.png``.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from scipy import ndimage

from benchmarks.contaminated import PARAMS, SETTINGS
from benchmarks.defaults import markdown
from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.core.progress import progress
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.images.resize import resize_image
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.scoring.detector import MemoryBankDetector

Change = Callable[[np.ndarray], np.ndarray]  # of an image, floats [side, side, 3] in 0 to 255
SIDE = 256  # pixels of the images that are changed
BATCH = 16
RATE = 0.05  # of false alarms
LEARNT, CALIBRATING, TESTED = (0.5, 60), (0.3, 40), 30
BLUR = 0.25  # standard deviation of the blurred light, share of the side


def gain(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply all values."""
    return image * factor


def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """Raise all values, of 0 to 1, to a power."""
    return 255 * (image / 255) ** exponent


def gradient(image: np.ndarray, slope: float) -> np.ndarray:
    """Multiply by a factor that rises from 1 - slope at the left to 1 + slope at the right."""
    return image * np.linspace(1 - slope, 1 + slope, image.shape[1])[None, :, None]


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Average by a Gaussian of a standard deviation in pixels."""
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0)))


def shift(image: np.ndarray, share: float) -> np.ndarray:
    """Move to the right and down by a share of the side; the border is repeated."""
    offset = share * image.shape[0]
    return np.asarray(ndimage.shift(image, (offset, offset, 0), order=1, mode="nearest"))


def rotation(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turn around the centre; the border is repeated."""
    return np.asarray(ndimage.rotate(image, degrees, reshape=False, order=1, mode="nearest"))


CHANGES: dict[Callable[[np.ndarray, float], np.ndarray], tuple[float, ...]] = {
    gain: (0.7, 0.85, 1.15, 1.3),
    gamma: (0.7, 1.4),
    gradient: (0.2, 0.4),
    blur: (1.0, 2.0),
    shift: (0.02, 0.05),
    rotation: (2.0, 5.0),
}
UNCHANGED = {gain: 1.0, gamma: 1.0}  # level of no change; 0 of the others


def as_bytes(image: np.ndarray) -> np.ndarray:
    """Round to uint8, as a camera saturates."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def photometric(images: Sequence[np.ndarray]) -> Change:
    """Bring an image to the mean and spread of some images, by channel."""
    mean = np.mean([image.mean((0, 1)) for image in images], axis=0)
    spread = np.mean([image.std((0, 1)) for image in images], axis=0)

    def change(image: np.ndarray) -> np.ndarray:
        own = np.maximum(image.std((0, 1)), 1)
        return (image - image.mean((0, 1))) / own * spread + mean

    return change


def flat_field(image: np.ndarray) -> np.ndarray:
    """Divide by the image's own blurred brightness, and keep the mean."""
    light = ndimage.gaussian_filter(image.mean(axis=2), BLUR * len(image), mode="nearest")
    return image / np.maximum(light, 1)[:, :, None] * light.mean()


def other_light(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Change images by random gain, gamma and gradient."""
    rng = np.random.default_rng(0)
    return [
        gradient(gamma(gain(image, rng.uniform(0.75, 1.3)), rng.uniform(0.75, 1.35)), rng.uniform(-0.3, 0.3))
        for image in images
    ]  # fmt: skip


class Images:
    """Patch features of images in memory.

    Args:
        grids: Features, float32 [images, h, w, channels].
    """

    def __init__(self, grids: np.ndarray) -> None:
        self.grids = grids
        self.image_ids = [str(index) for index in range(len(grids))]

    def patches(self) -> Any:
        """Stream (image id, float32 [h, w, channels])."""
        return zip(self.image_ids, self.grids, strict=True)


class Study:
    """Images of a category, shared out.

    Args:
        good: Good images, floats [side, side, 3] each.
        bad: Defective ones.
        parameters: Sections of the parameters.
    """

    def __init__(
        self, good: list[np.ndarray], bad: list[np.ndarray], parameters: dict[str, Any]
    ) -> None:
        n_learnt, n_calibrating = (
            min(most, int(share * len(good))) for share, most in (LEARNT, CALIBRATING)
        )
        self.learnt = good[:n_learnt]
        self.calibrating = good[n_learnt : n_learnt + n_calibrating]
        self.good, self.bad = good[n_learnt + n_calibrating :][:TESTED], bad[:TESTED]
        self.labels = np.repeat([0, 1], [len(self.good), len(self.bad)])
        self.scoring = parameters["scoring"]
        self._extract = Encoder.initial(parameters["features"]).patches()

    def features(self, images: Sequence[np.ndarray], first: Change, label: str) -> Images:
        """Extract the features of images after a change."""
        grids = []
        for start in progress(range(0, len(images), BATCH), label):
            batch = [as_bytes(first(as_bytes(one).astype(float))) for one in images[start:][:BATCH]]
            grids.append(self._extract(batch))
        return Images(np.concatenate(grids))

    def measure(self, name: str, remedy: Change, more: list[np.ndarray]) -> list[dict[str, Any]]:
        """Measure one remedy at all levels of all changes."""
        bank = self.features([*self.learnt, *more], remedy, f"{name}: bank")
        detector = MemoryBankDetector.fit(bank, SETTINGS, self.scoring)
        calibrating = self.features(self.calibrating, remedy, f"{name}: calibration")
        threshold = conformal_threshold(detector.detect(calibrating).image_scores, RATE)
        rows: list[dict[str, Any]] = []
        steps = [("none", 0.0, np.asarray)] + [
            (change.__name__, level, lambda image, c=change, v=level: c(image, v))
            for change, levels in CHANGES.items()
            for level in levels
        ]
        for kind, level, change in steps:
            tested = self.features(
                [change(image) for image in (*self.good, *self.bad)], remedy, f"{name}: {kind} {level:g}"
            )  # fmt: skip
            scores = detector.detect(tested).image_scores
            flagged = scores[self.labels == 0] > threshold
            rows.append(
                {
                    "remedy": name,
                    "change": kind,
                    "level": level,
                    "AUROC": 100 * float(auroc(self.labels, scores)),
                    "flagged": 100 * float(flagged.mean()),
                }
            )
            sys.stderr.write(f"{rows[-1]}\n")
        return rows


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw AUROC and flagged good parts over the level of each change, one curve for each remedy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5), layout="constrained")
    axes = figure.subplots(2, len(CHANGES), sharey="row", squeeze=False)
    for column, change in enumerate(CHANGES):
        of_change = rows[rows["change"] == change.__name__]
        same = rows[rows["change"] == "none"].assign(level=UNCHANGED.get(change, 0.0))
        for name, of_remedy in pd.concat([of_change, same]).groupby("remedy", sort=False):
            line = of_remedy.sort_values("level")
            for row, metric in enumerate(("AUROC", "flagged")):
                axes[row, column].plot(line["level"], line[metric], marker="o", label=name)
        axes[0, column].set_title(change.__name__)
    axes[0, 0].set_ylabel("image AUROC, %")
    axes[1, 0].set_ylabel("good parts flagged, %")
    axes[0, 0].legend()
    figure.savefig(path, dpi=100)


def images_of(samples: Any) -> list[np.ndarray]:
    """Open images in random order with seed 0, floats [side, side, 3] each."""
    order = np.random.default_rng(0).permutation(len(samples))[:200]
    some = samples.only(samples.table.iloc[order])
    return [resize_image(image, SIDE).astype(float) for _, image in some.stream("images opened")]


def main() -> None:
    """Measure one category, write table and figure."""
    from reb_pipeline.images.samples import Samples

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("env")
    parser.add_argument("category")
    parser.add_argument("--data-root")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--out", type=Path, default=Path("light"))
    arguments = parser.parse_args()
    bootstrap_project(Path.cwd())
    features = {**PARAMS["features"], "image_size": arguments.image_size}
    params: dict[str, Any] = {**PARAMS, "features": features}
    if arguments.data_root:
        params["data_root"] = arguments.data_root
    with KedroSession.create(env=arguments.env, runtime_params=params) as session:
        context = session.load_context()
        images = context.catalog.load(f"{arguments.category}.raw_images")
        table = images.table
        good, bad = (images_of(Samples(table[table["label"] == label], images)) for label in (0, 1))
        study = Study(good, bad, context.params[arguments.category])
    even = photometric([flat_field(image) for image in study.learnt])
    remedies: dict[str, tuple[Change, list[np.ndarray]]] = {
        "as it is": (np.asarray, []),
        "photometric": (photometric(study.learnt), []),
        "flat field": (flat_field, []),
        "both": (lambda image: even(flat_field(image)), []),
        "augmented": (np.asarray, other_light(study.learnt)),
    }
    rows = [row for name, one in remedies.items() for row in study.measure(name, *one)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = pd.DataFrame(rows)
    wide = found.pivot_table(
        index=["change", "level"], columns="remedy", values=["AUROC", "flagged"], sort=False
    )
    wide.columns = [f"{remedy}: {metric}" for metric, remedy in wide.columns]
    text = markdown(wide) + "\n"
    (arguments.out / f"light_{arguments.category}.md").write_text(text, encoding="utf-8")
    draw(found, arguments.out / f"light_{arguments.category}.png")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
