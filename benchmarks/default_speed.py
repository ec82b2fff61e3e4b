"""Time an image with the shipped default and with the former one: ``python -m benchmarks.default_speed``.

Both detectors learn from the same good solar cells (EfficientNet-Lite0, 256 px, coreset 10 %). Then they inspect the
same unseen cells in turn, from a decoded image to its score and anomaly map. Prints the median milliseconds of each.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.peers.data import BATCH, cells
from reb_pipeline.features.extractor import PatchExtractor, extract_patches
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

ENGINES = ("torch", "onnxruntime", "openvino")
FORMER = ("paper", ScoringSettings())
SHIPPED = (
    "combined",
    ScoringSettings(
        alpha=0.5,
        image_score="ranked_mean",
        top_share=0.1,
        normalization="position",
        anomaly_map="distance",
    ),
)


@dataclass
class Cells:
    """Source of the patches of solar cells, by one network."""

    images: list[np.ndarray]
    extractor: PatchExtractor

    @property
    def image_ids(self) -> list[str]:
        """Numbers of the cells."""
        return [str(index) for index in range(len(self.images))]

    def patches(self) -> Iterator[tuple[str, np.ndarray]]:
        """Extract the patches of each cell."""
        named = zip(self.image_ids, self.images, strict=True)
        return extract_patches(self.extractor, named, BATCH)


def milliseconds(good: list[np.ndarray], unseen: list[np.ndarray], engine: str) -> np.ndarray:
    """Time every unseen image with both detectors, float64 [unseen images, 2]."""
    pairs = []
    for neck, scoring in (FORMER, SHIPPED):
        features = FeatureSettings(backbone="efficientnet_lite0", neck=neck, engine=engine)
        extractor = PatchExtractor(features, device="cpu")
        bank = MemoryBankSettings(coreset_ratio=0.1)
        detector = MemoryBankDetector.fit(Cells(good, extractor), bank, scoring)
        pairs.append((extractor, detector))
        inspect(unseen[0], extractor, detector)  # warm up
    return np.array([[inspect(image, *pair) for pair in pairs] for image in unseen])


def inspect(image: np.ndarray, extractor: PatchExtractor, detector: MemoryBankDetector) -> float:
    """Time one image to its score and map, in milliseconds."""
    start = time.perf_counter()
    detection = detector.detect(Cells([image], extractor))
    list(detection.anomaly_maps(256, detector.scoring.smoothing_sigma))
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Time both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--good", type=int, default=200)
    parser.add_argument("--unseen", type=int, default=40)
    arguments = parser.parse_args()
    images = list(cells(arguments.good + arguments.unseen))
    sys.stdout.write("| engine | former, ms | shipped, ms | ratio |\n|---|---|---|---|\n")
    for engine in ENGINES:
        times = milliseconds(images[: arguments.good], images[arguments.good :], engine)
        former, shipped = np.median(times, axis=0)
        ratio = np.median(times[:, 1] / times[:, 0])
        sys.stdout.write(f"| {engine} | {former:.1f} | {shipped:.1f} | {ratio:.2f} |\n")


if __name__ == "__main__":
    main()
