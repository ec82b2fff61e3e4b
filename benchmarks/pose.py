"""Pose of parts that lie at any angle: ``python benchmarks/pose.py PHOTOS ...``.

Each PHOTOS holds the folders ``good`` and ``defective``. Every photo is turned by any angle and shifted by up to 5 % of
its sides, by known amounts. Writes two tables: the error of the pose by several methods, against the pose of the photo
as it was taken by the same method; and AUROC, false alarms and undecided parts of a memory bank of photos as they were
taken, moved, moved and aligned, and moved with turned copies in the bank: on whole photos, and with a region of
interest that no move brings out of the photo.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

from reb_pipeline.calibration.conformal import conformal_threshold
from reb_pipeline.core.errors import InputError, print_input_error
from reb_pipeline.detectors.bank import BankDetector
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import ImageFeatures
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.alignment import Search, detail
from reb_pipeline.images.golden import choose_golden, with_limits
from reb_pipeline.images.opening import open_image
from reb_pipeline.images.pose import RIGID
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.settings import ScoringSettings

LEARNT, CALIBRATING, TESTED = 30, 39, 40  # good photos; at most so many defective ones are tested
RATE = 0.1
SHARE = 0.05  # of the sides: largest shift
COPIES = 11  # of each photo in the bank, turned in equal steps
SIZE = 128
TIMED = 20
WRONG = 10  # degrees
Images = list[np.ndarray]
Disc = list[list[tuple[float, float]]] | None
Method = Callable[[Search, np.ndarray], np.ndarray]


def turned(
    image: np.ndarray, degrees: float, right: float = 0, down: float = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image clockwise and shift it; returns the motion of pixels, float64 [2, 3], too."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    matrix[:, 2] += (right * width, down * height)
    size, border = (width, height), cv2.BORDER_REPLICATE
    return cv2.warpAffine(image, matrix, size, borderMode=border), matrix


def by_points(detector: cv2.Feature2D, norm: int) -> Method:
    """Match points of interest, keep a rigid motion by RANSAC, and refine it by ECC."""

    def method(search: Search, image: np.ndarray) -> np.ndarray:
        found = [
            detector.detectAndCompute(one.astype(np.uint8), None) for one in (search.golden, image)
        ]
        (points, of_golden), (others, of_image) = found
        if of_golden is None or of_image is None:
            return np.eye(2, 3)
        matches = cv2.BFMatcher(norm, crossCheck=True).match(of_golden, of_image)
        if len(matches) < 3:
            return np.eye(2, 3)
        start = np.float32([points[one.queryIdx].pt for one in matches])
        end = np.float32([others[one.trainIdx].pt for one in matches])
        matrix, _ = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=3)
        if matrix is None:
            return np.eye(2, 3)
        scale = np.sqrt(np.linalg.det(matrix[:, :2]))
        centre = (np.array(image.shape[::-1]) - 1) / 2
        there = matrix[:, :2] @ centre + matrix[:, 2]
        turn = matrix[:, :2] / scale
        start = np.column_stack([turn, there - turn @ centre])
        return search.refined(detail(image), start)[1]

    return method


def by_phase(search: Search, image: np.ndarray) -> np.ndarray:
    """Find the angle by phase correlation of log-polar spectra, the shift by phase correlation, and refine by ECC."""
    side = max(image.shape)
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    spectra = [
        np.abs(np.fft.fftshift(np.fft.fft2(one * window, (side, side))))
        for one in (search.golden, image)
    ]
    polar = [
        cv2.warpPolar(
            np.log1p(one).astype(np.float32),
            (side, 360),
            (side / 2, side / 2),
            side / 2,
            cv2.WARP_POLAR_LOG,
        )
        for one in spectra
    ]
    (_, turn), _ = cv2.phaseCorrelate(*(np.ascontiguousarray(one[:, side // 4 :]) for one in polar))
    best: tuple[float, np.ndarray] = (-2.0, np.eye(2, 3))
    for degrees in (turn, turn + 180):
        back, matrix = turned(image, -degrees)
        (right, down), _ = cv2.phaseCorrelate(search.golden, back.astype(np.float32))
        inverse = cv2.invertAffineTransform(matrix)
        start = inverse @ np.array([[1, 0, right], [0, 1, down], [0, 0, 1]])
        best = max(best, search.refined(detail(image), start), key=lambda one: one[0])
    return best[1]


METHODS: dict[str, Method] = {
    "search, ECC": lambda search, image: search(image).matrix,
    "SIFT, RANSAC, ECC": by_points(cv2.SIFT_create(), cv2.NORM_L2),
    "ORB, RANSAC, ECC": by_points(cv2.ORB_create(1000), cv2.NORM_HAMMING),
    "phase correlation, ECC": by_phase,
}


def errors(
    method: Method, search: Search, images: list[np.ndarray], rng: np.random.Generator
) -> str:
    """Measure a method on moved grey images, in cells of a row."""
    degrees, pixels, seconds = [], [], []
    centre = np.array([*(np.array(images[0].shape[::-1]) - 1) / 2, 1])
    for image in images:
        moved, motion = turned(image, rng.uniform(-180, 180), *rng.uniform(-SHARE, SHARE, 2))
        expected = motion @ np.vstack([search(image).matrix, (0, 0, 1)])
        start = time.process_time()
        found = method(search, moved)
        seconds.append(time.process_time() - start)
        cosine = (expected[:, :2] * found[:, :2]).sum() / 2
        degrees.append(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))
        pixels.append(np.linalg.norm((expected - found) @ centre))
    wrong = sum(one > WRONG for one in degrees)
    at = (50, 90)
    return (
        f"{' / '.join(f'{one:.2f}' for one in np.percentile(degrees, at))} | "
        f"{' / '.join(f'{one:.2f}' for one in np.percentile(pixels, at))} | {wrong} of {len(images)} | "
        f"{1000 * np.median(seconds):.0f} ms"
    )


def features(images: Iterable[np.ndarray], encoder: Encoder) -> ImageFeatures:
    """Make the features of images in memory."""
    return ImageFeatures.of_arrays(images, encoder)


def judged(
    bank: list[np.ndarray], others: list[list[np.ndarray]], encoder: Encoder
) -> tuple[str, float]:
    """Learn a bank and score calibrating, good and defective images: cells of AUROC, flagged of both; seconds each."""
    detector = BankDetector(MemoryBankSettings(coreset_ratio=0.25), ScoringSettings(), "cpu")
    detector.fit(features(bank, encoder))
    start = time.process_time()
    calibrating, good, bad = (
        detector.detect(features(one, encoder)).image_scores for one in others
    )
    seconds = (time.process_time() - start) / sum(map(len, others))
    threshold = conformal_threshold(calibrating, RATE)
    auroc = roc_auc_score([0] * len(good) + [1] * len(bad), [*good, *bad])
    flagged = [f"{(of > threshold).sum()} of {len(of)}" for of in (good, bad)]
    return f"{100 * auroc:.2f} | {' | '.join(flagged)}", seconds


def moved_by(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn an image by any angle and shift it, at random."""
    return turned(image, rng.uniform(-180, 180), *rng.uniform(-SHARE, SHARE, 2))[0]


def shared_out(good: Images, bad: Images) -> tuple[Images, list[Images]]:
    """Share good images out: to learn from, to calibrate and to test, with the defective ones."""
    n = min(LEARNT, len(good) // 3)
    end = n + min(CALIBRATING, len(good) // 3)
    return good[:n], [good[n:end], good[end:], bad]


def disc(shape: tuple[int, ...]) -> Disc:
    """Draw a disc in the middle that no move brings out of the photo, as a region of interest."""
    height, width = shape[:2]
    radius = 0.5 * min(shape[:2]) - SHARE * max(shape[:2])
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    corners = [
        (0.5 + radius * np.cos(one) / width, 0.5 + radius * np.sin(one) / height) for one in angles
    ]
    return [[(float(x), float(y)) for x, y in corners]]


def verdicts(name: str, good: Images, bad: Images, region: Disc) -> str:
    """Describe all ways on one category, a row each."""
    rng = np.random.default_rng(0)
    encoder = Encoder.initial(FeatureSettings(image_size=SIZE, engine="auto", region=region), "cpu")

    def row(way: str, cells: str, undecided: str, seconds: float) -> str:
        return f"| {name} | {way} | {cells} | {undecided} | {1000 * seconds:.0f} ms |\n"

    none = "0, 0"
    rows = row("as taken", *with_none(judged(*shared_out(good, bad), encoder), none))
    moved = [[moved_by(one, rng) for one in of] for of in (good, bad)]
    bank, others = shared_out(*moved)
    rows += row("moved", *with_none(judged(bank, others, encoder), none))
    copies = [turned(one, 360 * n / (COPIES + 1))[0] for one in bank for n in range(COPIES + 1)]
    rows += row(f"moved, {COPIES} turned copies", *with_none(judged(copies, others, encoder), none))
    chosen = choose_golden([lambda one=one: one for one in bank], RIGID)
    try:
        pose = with_limits(chosen.pose, [chosen.pose.placed(one) for one in bank])
    except InputError:  # parts without a common shape
        return rows + f"| {name} | moved, aligned | refused | | | | |\n"
    start = time.process_time()
    placed = [[pose.placed(one) for one in of] for of in others]
    aligned = [
        [at.aligned(one) for at, one in zip(*of, strict=True)]
        for of in zip(placed, others, strict=True)
    ]
    seconds = (time.process_time() - start) / sum(map(len, others))
    cells, more = judged([pose.brought(one) for one in bank], aligned, encoder)
    undecided = ", ".join(str(sum(bool(at.fault) for at in of)) for of in placed[1:])
    return rows + row(f"moved, aligned ({pose.kind})", cells, undecided, seconds + more)


def with_none(found: tuple[str, float], none: str) -> tuple[str, str, float]:
    """Add the cell of a way that leaves no part undecided."""
    return found[0], none, found[1]


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    given = parser.parse_args()
    opened = {}
    for folder in given.photos:
        kinds = [sorted((folder / kind).iterdir()) for kind in ("good", "defective")]
        counts = LEARNT + CALIBRATING + TESTED, TESTED
        chosen = [
            of[:: max(1, len(of) // count)][:count] for of, count in zip(kinds, counts, strict=True)
        ]
        good, bad = ([open_image(path) for path in of] for of in chosen)
        opened[folder.name] = (
            [good[n] for n in np.random.default_rng(0).permutation(len(good))],
            bad,
        )
    sys.stdout.write(
        "| photos | method | degrees | pixels of 256 | wrong | an image |\n|---|---|---|---|---|---|\n"
    )
    for name, (good, _) in opened.items():
        pose = choose_golden([lambda one=one: one for one in good[:LEARNT]], RIGID).pose
        search = Search(pose.search.golden, turns=True)
        size = search.golden.shape[::-1]
        greys = [
            cv2.cvtColor(
                cv2.resize(one, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
            ).astype(np.float32)
            for one in good[LEARNT : LEARNT + TIMED]
        ]
        for way, method in METHODS.items():
            cells = errors(method, search, greys, np.random.default_rng(1))
            sys.stdout.write(f"| {name} ({pose.kind}) | {way} | {cells} |\n")
            sys.stdout.flush()
    sys.stdout.write(
        "\n| photos | way | AUROC | good flagged | defective flagged | undecided good, defective | an image |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    for name, (good, bad) in opened.items():
        for where, region in ((name, None), (f"{name}, disc", disc(good[0].shape))):
            sys.stdout.write(verdicts(where, good, bad, region))
            sys.stdout.flush()


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
