"""Image metrics: one score an image against its label.

A metric is a function of labels (int [N], 0 good, 1 anomalous, both present) and scores (float64 [N], finite, higher =
more anomalous) to a number in [0, 1], and its line in :data:`IMAGE_METRICS`.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from reb_pipeline.metrics.metric import Metric


def f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    """Best F1 score of any threshold."""
    precision, recall, _ = precision_recall_curve(labels, scores)
    # scikit-learn ends the curve at recall 0, precision 1; a threshold without a hit has both at 0.
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return f1.max()


IMAGE_METRICS = {
    # Area under the ROC curve (Fawcett, Pattern Recognition Letters 2006).
    "image_auroc": Metric("image AUROC", roc_auc_score, headline=True),
    # Average precision: the sum of precision x gain in recall over thresholds.
    "image_ap": Metric("image AP", average_precision_score),
    "image_f1_max": Metric("image F1max", f1_max),
}


def image_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float | None]:
    """Measure all of :data:`IMAGE_METRICS`.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.

    Returns:
        Each in [0, 1], or None where only one class is present.

    Raises:
        ValueError: if the lengths differ or a score is not finite.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if labels.shape != scores.shape:
        raise ValueError(
            f"Labels have shape {labels.shape} and scores {scores.shape}: "
            "give one label and one score an image."
        )
    if not np.isfinite(scores).all():
        first = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(
            f"The score at position {first} is {scores[first]}: scores must be finite, "
            "check the features and the memory bank it came from."
        )
    if len(np.unique(labels)) < 2:
        return dict.fromkeys(IMAGE_METRICS)
    return {name: metric(labels, scores) for name, metric in IMAGE_METRICS.items()}
