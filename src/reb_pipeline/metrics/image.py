"""Image-level metrics: how well one score an image separates anomalous from good images."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score


def image_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float | None]:
    """Threshold-free image metrics.

    Args:
        labels: [N] int, 0 good, 1 anomalous.
        scores: [N] float, higher = more anomalous.

    Returns:
        Each in [0, 1], or None where only one class is present:
        ``image_auroc``, area under the ROC curve (Fawcett, Pattern Recognition Letters 2006);
        ``image_ap``, average precision: the sum of precision x gain in recall over thresholds;
        ``image_f1_max``, the best F1 score of any threshold.

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
        return {"image_auroc": None, "image_ap": None, "image_f1_max": None}
    precision, recall, _ = precision_recall_curve(labels, scores)
    # scikit-learn ends the curve at recall 0, precision 1; a threshold without a hit has both at 0.
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return {
        "image_auroc": float(roc_auc_score(labels, scores)),
        "image_ap": float(average_precision_score(labels, scores)),
        "image_f1_max": float(f1.max()),
    }
