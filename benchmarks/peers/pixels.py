"""Pixel metrics of anomaly maps."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.peers.case import Case, Run, Settings, Timed, timed
from benchmarks.peers.data import maps_and_masks
from reb_pipeline.metrics.pixel import PixelHistogram
from reb_pipeline.metrics.score_bins import choose_bins

IMAGES_PER_BATCH = 10


def pixels(settings: Settings) -> Case:
    """AUROC, average precision, F1max and AU-PRO at once, beside anomalib's four metrics."""
    n, side = settings.of(100, 4), settings.of(256, 64)
    maps, masks = maps_and_masks(n, side)

    def measure() -> dict[str, float | None]:
        histogram = PixelHistogram(choose_bins(maps))
        for anomaly_map, mask in zip(maps, masks, strict=True):
            histogram.update(anomaly_map, mask)
        return histogram.metrics()

    def compare(ours: dict[str, float], _: object) -> str:
        exact = exact_metrics(maps, masks)
        error = max(abs(ours[name] - value) for name, value in exact.items())
        return f"largest error of AUROC, AP and F1max {error:.0e}"

    return Case(
        f"{n} maps of {side} px",
        ours=lambda: measure,
        peer=lambda: anomalib_metrics(maps, masks),
        compare=compare,
        target=50,
        moved=2.0 * maps.nbytes + masks.nbytes,
    )


def anomalib_metrics(maps: np.ndarray, masks: np.ndarray) -> Run:
    """Its four metrics, one after the other."""
    import torch
    from anomalib.data import ImageBatch
    from anomalib.metrics import AUPR, AUPRO, AUROC, F1Max

    map_tensor, mask_tensor = torch.from_numpy(maps), torch.from_numpy(masks)
    images = torch.empty(IMAGES_PER_BATCH, 3, *maps.shape[1:])

    def measure(kind: type) -> float:
        metric = kind(fields=["anomaly_map", "gt_mask"])
        for start in range(0, len(maps), IMAGES_PER_BATCH):
            some = slice(start, start + IMAGES_PER_BATCH)
            found, truth = map_tensor[some], mask_tensor[some]
            metric.update(ImageBatch(image=images[: len(found)], anomaly_map=found, gt_mask=truth))
        return float(metric.compute())

    def run() -> Timed:
        runs = {
            kind.__name__: timed(partial(measure, kind)) for kind in (AUROC, AUPR, F1Max, AUPRO)
        }
        parts = ", ".join(f"{name} {one.seconds:.2f} s" for name, one in runs.items())
        return Timed(sum(one.seconds for one in runs.values()), None, f"anomalib's {parts}")

    return run


def exact_metrics(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """From all scores, sorted."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

    labels, scores = masks.ravel(), maps.ravel()
    precision, recall, _ = precision_recall_curve(labels, scores)
    return {
        "pixel_auroc": roc_auc_score(labels, scores),
        "pixel_ap": average_precision_score(labels, scores),
        "pixel_f1_max": (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(),
    }


CASES: dict[str, dict[str, Callable[[Settings], Case]]] = {"pixels": {"maps": pixels}}
