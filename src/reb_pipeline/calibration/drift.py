"""Drift report: compares recently inspected parts with the good parts of the calibration.

Defective parts are not drift. So only parts that are not flagged are compared, with the calibration images below the
same threshold. The threshold is one of the calibration scores. Given this threshold, the calibration images below it
and further good parts below it follow one distribution, so the tests keep their level.

Three tests are made on all parts, and again on the newest window alone, which reveals a change that does not yet affect
most parts. Each test has a sixth of :data:`LEVEL` (Bonferroni). So a report on good parts without drift differs from
"fine" with at most this probability. The tests are:

- scores: the two-sample Kolmogorov-Smirnov test;
- features: a permutation test of the energy distance (G. Székely and M. Rizzo, Energy Statistics, Journal of
  Statistical Planning and Inference 143(8), 2013) of the images' mean patch features;
- the number of flagged parts, which is beta-binomial, see :mod:`reb_pipeline.calibration.conformal`.

The population stability index (PSI) measures the size of a change of the scores. By a rule of thumb of credit scoring a
PSI above 0.25 is large and one below 0.1 is small (N. Siddiqi, Credit Risk Scorecards, Wiley 2006). Few parts increase
the PSI by chance, by about (bins - 1) (1 / n + 1 / m) (B. Yurdakul and J. Naranjo, Statistical Properties of the
Population Stability Index, Journal of Risk Model Validation 14(4), 2020), so this amount is subtracted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.calibration.conformal import false_alarm_band, threshold_rank
from reb_pipeline.calibration.verdicts import above

if TYPE_CHECKING:
    from reb_pipeline.calibration.record import Calibration

SEVERITY = TOO_FEW, FINE, WATCH, RECALIBRATE = "too few parts", "fine", "watch", "recalibrate"
LEVEL = 0.01  # probability of a verdict other than "fine" without drift
TEST_LEVEL = LEVEL / 6
FEWEST = 20  # smallest number of images on either side: fewer show only very large changes
SMALL_PSI, LARGE_PSI = 0.1, 0.25
BINS = 10  # deciles of the calibration scores
PERMUTATIONS = 999


def drift_report(
    calibration: "Calibration",
    image_scores: np.ndarray,
    mean_features: np.ndarray,
    times: Sequence[str],
    window: int = 50,
) -> dict[str, Any]:
    """Compare inspected parts with the calibration of the model that inspected them.

    The verdict is one of:

    - ``recalibrate``: the scores of unflagged parts have moved and their PSI is large; or too many parts are flagged,
    and
      they are more than half of all parts, or the features of the unflagged parts have moved too;
    - ``watch``: at least one test has found a difference;
    - ``fine``: no test has found a difference;
    - ``too few parts``: there are too few parts or calibration images for a verdict.

    If the verdict on the newest window is worse than that on all parts, it is returned instead.

    Args:
        calibration: The calibration.
        image_scores: Floats [parts], in the order of inspection.
        mean_features: Mean patch feature of each part, floats [parts, channels].
        times: Time of inspection of each part, as text; at least one.
        window: Number of parts in a window. Consecutive windows are described as well; the last one ends with the last
        part.

    Returns:
        JSON values: ``verdict``; ``reasons``, sentences; ``level``; ``parts`` and ``calibration_images``, numbers;
        ``first`` and ``last``, times; ``flagged``, ``scores`` and ``features`` as in :func:`describe`; ``windows``, a
        list. Each window has the same three entries, ``begin`` and ``end`` (numbers of parts from 0, the end excluded),
        and the times ``first`` and ``last``.
    """
    scores, features = np.asarray(image_scores, np.float64), np.asarray(mean_features, np.float64)
    n = len(scores)
    found = describe(calibration, scores, features)
    windows = [
        {
            "begin": begin,
            "end": begin + window,
            "first": times[begin],
            "last": times[begin + window - 1],
            **describe(
                calibration, scores[begin : begin + window], features[begin : begin + window]
            ),
        }
        for begin in range(n % window, n, window)
    ]
    verdict, reasons = _verdict(found, n, calibration)
    if windows and window < n:
        newest, newest_reasons = _verdict(windows[-1], window, calibration)
        if SEVERITY.index(newest) > SEVERITY.index(verdict):
            verdict, reasons = newest, [f"Of the last {window} parts alone:", *newest_reasons]
    return {
        "verdict": verdict,
        "reasons": reasons,
        "level": LEVEL,
        "parts": n,
        "calibration_images": calibration.n_images,
        "first": times[0],
        "last": times[-1],
        **found,
        "windows": windows,
    }


def describe(
    calibration: "Calibration", image_scores: np.ndarray, mean_features: np.ndarray
) -> dict[str, Any]:
    """Compute statistics that compare inspected parts with the calibration set.

    Args:
        calibration: The calibration.
        image_scores: Floats [parts].
        mean_features: Floats [parts, channels].

    Returns:
        JSON values, each a mapping:

        - ``flagged``: ``count``, ``expected``, ``at_most`` (95 %), and ``p_value`` of this count or a higher one;
        - ``scores`` of parts below the threshold: ``psi``, ``psi_by_chance``, ``ks`` and its ``p_value``;
        - ``features`` of parts below the threshold: ``shift``, ``shift_by_chance``, and ``p_value`` of the energy
        distance.
          The shift is the distance of the mean features, divided by the root mean square distance of the calibration
          images from their mean.

        The last two are None if fewer than :data:`FEWEST` parts or calibration images are below the threshold.
    """
    threshold = calibration.image_threshold
    usual, below = calibration.image_scores < threshold, image_scores < threshold
    is_enough = min(usual.sum(), below.sum()) >= FEWEST
    reference, features = calibration.part_features[usual], mean_features[below]
    return {
        "flagged": _flagged(calibration, image_scores),
        "scores": _scores(calibration.image_scores[usual], image_scores[below])
        if is_enough
        else None,
        "features": _features(reference.astype(np.float64), features) if is_enough else None,
    }


def population_stability_index(reference: np.ndarray, sample: np.ndarray) -> float:
    """Compute the PSI of a sample: the sum over bins of (q - p) ln(q / p).

    Here p and q are the shares of the reference and of the sample in a bin. Bins are deciles of the reference. Half a
    count is added to each bin, so that none is empty.

    Args:
        reference: Floats [n].
        sample: Floats [m].

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.calibration.drift import population_stability_index
        >>> usual = np.linspace(0, 1, 1000)
        >>> population_stability_index(usual, usual) < 0.1 < population_stability_index(usual, usual + 0.3)
        True
    """
    edges = np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1])
    shares = [
        (np.bincount(np.searchsorted(edges, values), minlength=BINS) + 0.5)
        / (len(values) + BINS / 2)
        for values in (reference, sample)
    ]
    usual, now = shares
    return float(((now - usual) * np.log(now / usual)).sum())


def energy_test(reference: np.ndarray, sample: np.ndarray) -> float:
    """Compute the p-value of the energy distance of two samples, by random permutations with a fixed seed.

    Args:
        reference: Floats [n, channels].
        sample: Floats [m, channels].

    Returns:
        Share of permutations, including the given order, with at least the same distance.
    """
    from scipy.spatial.distance import cdist

    both = np.concatenate([reference, sample])
    distances = cdist(both, both)
    n, m = len(reference), len(sample)
    given = np.repeat([0.0, 1.0], [n, m])
    drawn = np.random.default_rng(0).permuted(np.tile(given, (PERMUTATIONS, 1)), axis=1)
    belongs = np.concatenate([given[None], drawn])  # 1 if a row belongs to the sample
    to_sample = belongs @ distances
    within_sample = np.vecdot(to_sample, belongs)
    between = to_sample.sum(axis=1) - within_sample
    within_reference = distances.sum() - 2 * between - within_sample
    statistic = 2 * between / (n * m) - within_sample / m**2 - within_reference / n**2
    as_far = statistic >= statistic[0] - 1e-12 * distances.mean()  # tolerance for rounding errors
    return float(as_far.mean())


def _scores(reference: np.ndarray, sample: np.ndarray) -> dict[str, float]:
    from scipy.stats import ks_2samp

    test = ks_2samp(reference, sample)
    return {
        "psi": population_stability_index(reference, sample),
        "psi_by_chance": (BINS - 1) * (1 / len(reference) + 1 / len(sample)),
        "ks": float(test.statistic),
        "p_value": float(test.pvalue),
    }


def _features(reference: np.ndarray, sample: np.ndarray) -> dict[str, float]:
    middle = reference.mean(axis=0)
    spread = np.sqrt(((reference - middle) ** 2).sum(axis=1).mean()) or 1.0
    return {
        "shift": float(np.linalg.norm(sample.mean(axis=0) - middle) / spread),
        "shift_by_chance": float(np.sqrt(1 / len(reference) + 1 / len(sample))),
        "p_value": energy_test(reference, sample),
    }


def _flagged(calibration: "Calibration", scores: np.ndarray) -> dict[str, Any]:
    from scipy.stats import betabinom

    n, rate = calibration.n_images, calibration.false_alarm_rate
    count, k = int(above(scores, calibration.image_threshold).sum()), threshold_rank(n, rate)
    alarms = false_alarm_band(n, rate, len(scores))
    return {
        "count": count,
        "expected": alarms.expected,
        "at_most": alarms.at_most,
        "p_value": float(betabinom.sf(count - 1, len(scores), k, n + 1 - k)) if k else 1.0,
    }


def _verdict(
    found: dict[str, Any], n_parts: int, calibration: "Calibration"
) -> tuple[str, list[str]]:
    """Derive the verdict from the statistics, with its reasons in sentences."""
    n_images = calibration.n_images
    flagged, scores, features = (found[name] for name in ("flagged", "scores", "features"))
    many = flagged["p_value"] < TEST_LEVEL
    most = many and flagged["count"] > n_parts / 2
    if scores is None and not many:
        return TOO_FEW, [
            f"There are too few images for a verdict: {n_parts} parts and {n_images} of the calibration, where at "
            f"least {FEWEST} of each have to be below the threshold."
        ]
    moved = scores is not None and scores["p_value"] < TEST_LEVEL
    shifted = features is not None and features["p_value"] < TEST_LEVEL
    is_large = moved and scores["psi"] - scores["psi_by_chance"] > LARGE_PSI
    reasons = []
    if many:
        reasons.append(
            f"{flagged['count']} of {n_parts} parts are flagged where {flagged['expected']:.1f} good ones are "
            f"expected and at most {flagged['at_most']}: there are real defects, or the process has drifted."
        )
    if moved:
        reasons.append(
            f"The scores of unflagged parts have moved: PSI {scores['psi']:.2f}, of which "
            f"{scores['psi_by_chance']:.2f} are chance and more than {LARGE_PSI} beyond it "
            f"{'is' if is_large else 'would be'} large; Kolmogorov-Smirnov "
            f"{scores['ks']:.2f}, p = {scores['p_value']:.2g}."
        )
    if shifted:
        reasons.append(
            f"The features of unflagged parts have moved by {features['shift']:.2f} of their usual spread, "
            f"{features['shift_by_chance']:.2f} by chance, p = {features['p_value']:.2g}: see whether light, camera or "
            f"material is another."
        )
    if is_large or most or (many and shifted):
        return RECALIBRATE, reasons
    if reasons:
        return WATCH, reasons
    what = (
        f"Scores, features and the number of flagged parts ({flagged['count']} of {n_parts})"
        if calibration.can_flag
        else "Scores and features of all parts, none of which could be flagged,"
    )
    return FINE, [
        f"{what} are those of the calibration, as far as {n_parts} parts and {n_images} calibration "
        f"{calibration.units} tell."
    ]
