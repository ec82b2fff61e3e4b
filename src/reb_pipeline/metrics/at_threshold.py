"""Defects found and false alarms at a threshold that was fixed before the test."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95  # of the intervals of shares


def at_threshold(
    scores: "pd.DataFrame", threshold: float, false_alarm_rate: float, calibration_images: int
) -> dict[str, Any]:
    """Count the flagged test images: false alarms among the good ones, found defects among the others.

    An image is flagged unless its score is at or below the threshold.

    Args:
        scores: One row a test image, or a part of :func:`reb_pipeline.metrics.parts.scores_of_parts`: label (0 good, 1
            anomalous), defect_type, image_score.
        threshold: Highest score that is not flagged; infinity if the rate cannot be guaranteed.
        false_alarm_rate: Share of good parts that may be flagged, in (0, 1).
        calibration_images: Number of good images that the threshold was taken from.

    Returns:
        JSON values: the arguments; ``false_alarms``, ``found`` and ``per_defect_type`` with the
        :func:`flagged_share` of the good, of all anomalous images and of each defect type. Without a threshold
        ``threshold`` and all shares are None: nothing was flagged because nothing could be decided. ``units`` is
        ``parts`` where the rows are parts of several views, and left out where they are images.

    Example:
        >>> import pandas as pd
        >>> from reb_pipeline.metrics.at_threshold import at_threshold
        >>> scores = pd.DataFrame({
        ...     "label": [0, 0, 1, 1], "defect_type": ["good", "good", "dent", "hole"],
        ...     "image_score": [0.1, 0.2, 0.3, 0.9],
        ... })
        >>> report = at_threshold(scores, threshold=0.5, false_alarm_rate=0.05, calibration_images=59)
        >>> report["found"]["flagged"], report["per_defect_type"]["dent"]["flagged"]
        (1, 0)
    """
    known = math.isfinite(threshold)

    def share(rows: "pd.DataFrame") -> dict[str, Any] | None:
        flagged = int((~(rows["image_score"] <= threshold)).sum())
        return flagged_share(flagged, len(rows)) if known else None

    anomalous = scores[scores["label"] == 1]
    return {
        "threshold": float(threshold) if known else None,
        "false_alarm_rate": false_alarm_rate,
        "calibration_images": calibration_images,
        **({"units": "parts"} if "part" in scores else {}),
        "false_alarms": share(scores[scores["label"] == 0]),
        "found": share(anomalous),
        "per_defect_type": {kind: share(rows) for kind, rows in anomalous.groupby("defect_type")},
    }


def flagged_share(flagged: int, images: int) -> dict[str, Any] | None:
    """Compute the share of flagged images, with its exact interval (Clopper and Pearson, Biometrika 1934).

    The interval covers the true share with at least :data:`CONFIDENCE`, for any number of images. It concerns other
    test images, with the same model and threshold.

    Args:
        flagged: Number of flagged images.
        images: Number of all images.

    Returns:
        ``images``, ``flagged``, ``passed`` (not flagged), ``share``, ``low`` and ``high``; None without images.

    Example:
        >>> from reb_pipeline.metrics.at_threshold import flagged_share
        >>> found = flagged_share(20, 20)
        >>> found["share"], round(found["low"], 3), found["high"]
        (1.0, 0.832, 1.0)
    """
    from scipy.stats import binomtest

    if not images:
        return None
    interval = binomtest(flagged, images).proportion_ci(CONFIDENCE, method="exact")
    return {
        "images": images,
        "flagged": flagged,
        "passed": images - flagged,
        "share": flagged / images,
        "low": float(interval.low),
        "high": float(interval.high),
    }


def share_text(share: dict[str, Any]) -> str:
    """Format a share of :func:`flagged_share` with its interval, in percent.

    Example:
        >>> from reb_pipeline.metrics.at_threshold import flagged_share, share_text
        >>> share_text(flagged_share(251, 313))
        '251 of 313: 80.19 % (75.34–84.46)'
    """
    return (
        f"{share['flagged']} of {share['images']}: {100 * share['share']:.2f} % "
        f"({100 * share['low']:.2f}–{100 * share['high']:.2f})"
    )


def doubtful_text(report: Mapping[str, Any] | None) -> str:
    """Say how many test images are doubtful; empty if the calibration calls none doubtful.

    Args:
        report: Result of :func:`at_threshold`, perhaps with ``doubtful``: the result at the lower threshold.

    Example:
        >>> flagged = {"false_alarms": flagged_share(1, 20), "found": flagged_share(25, 30)}
        >>> beyond = {"false_alarms": flagged_share(3, 20), "found": flagged_share(29, 30)}
        >>> doubtful_text({**flagged, "doubtful": beyond})
        'doubtful: 2 of 20 good test images, 4 of 30 defective ones'
    """
    beyond = (report or {}).get("doubtful")
    if not report or not beyond:
        return ""
    units = report.get("units", "images")
    counts = [
        f"{beyond[part]['flagged'] - report[part]['flagged']} of {beyond[part]['images']} {which}"
        for part, which in (("false_alarms", f"good test {units}"), ("found", "defective ones"))
        if report[part]
    ]
    return f"doubtful: {', '.join(counts)}" if counts else ""


def unlike_calibration(report: Mapping[str, Any] | None) -> str:
    """Say that more good test images are flagged than the rate and chance explain; empty if they are not.

    Args:
        report: Result of :func:`at_threshold`; None if there is no calibration.

    Example:
        >>> share = flagged_share(flagged=3, images=20)
        >>> unlike_calibration({"false_alarm_rate": 0.05, "false_alarms": share})
        ''
        >>> unlike_calibration({"false_alarm_rate": 0.02, "false_alarms": share})[:62]
        'More good test images are flagged than 2 % and chance explain:'
    """
    share = report["false_alarms"] if report else None
    if not report or not share or share["low"] <= report["false_alarm_rate"]:
        return ""
    rate, units = report["false_alarm_rate"], report.get("units", "images")
    return (
        f"More good test {units} are flagged than {100 * rate:.3g} % and chance explain: they are not like the {units} "
        f"that calibrate, so calibrate with {units} like those to inspect"
    )
