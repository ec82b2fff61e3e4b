"""Image metrics: one score per image, compared with its label.

A metric is a function of labels and scores that returns a number in [0, 1], and a line in :data:`IMAGE_METRICS`. Labels
are int [N], 0 good, 1 anomalous, both present. Scores are float64 [N], finite, higher = more anomalous.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from reb_pipeline.metrics.metric import Metric


def f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    """Compute the highest F1 score over all thresholds: the best threshold is chosen by these labels (an oracle)."""
    precision, recall, _ = precision_recall_curve(labels, scores)
    # The last point of the curve has recall 0; a threshold without a hit has recall and precision 0.
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return f1.max()


def recall_at(false_alarm_rate: float, labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Compute the share of anomalous images above the threshold that good test images give.

    The threshold is chosen by these labels (an oracle). It compares configurations at one rate of false alarms where no
    calibration images were set apart.

    Args:
        false_alarm_rate: Share of the good images that may lie above the threshold, in [0, 1].
        labels: int [N], 0 good, 1 anomalous.
        scores: float [N], higher = more anomalous.

    Returns:
        The share, None if only one class is present.

    Example:
        >>> from reb_pipeline.metrics.image import recall_at
        >>> recall_at(0.5, labels=[0, 0, 1, 1], scores=[1.0, 3.0, 2.0, 0.5])
        0.5
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    good, anomalous = scores[labels == 0], scores[labels == 1]
    if not len(good) or not len(anomalous):
        return None
    allowed = int(false_alarm_rate * len(good) + 1e-9)  # 0.29 * 100 is 28.999…
    threshold = np.sort(good)[::-1][min(allowed, len(good) - 1)]
    return float((anomalous > threshold).mean())


IMAGE_METRICS = {
    # Area under the ROC curve (Fawcett, Pattern Recognition Letters 2006).
    "image_auroc": Metric("image AUROC", roc_auc_score, headline=True),
    # Average precision: the sum of precision x gain in recall over thresholds.
    "image_ap": Metric("image AP", average_precision_score),
    "image_f1_max": Metric("image F1max (oracle)", f1_max),
}


def image_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float | None]:
    """Compute all metrics of :data:`IMAGE_METRICS`.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.

    Returns:
        Each metric in [0, 1], or None if only one class is present.

    Raises:
        ValueError: If the lengths differ or a score is not finite.

    Example:
        >>> from reb_pipeline.metrics.image import image_metrics
        >>> metrics = image_metrics(labels=[0, 0, 1, 1], scores=[0.1, 0.4, 0.3, 0.9])
        >>> {name: round(float(value), 3) for name, value in metrics.items()}
        {'image_auroc': 0.75, 'image_ap': 0.833, 'image_f1_max': 0.8}
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
