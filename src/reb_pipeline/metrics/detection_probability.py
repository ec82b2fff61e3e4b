"""Probability of detection over the size of defects: hit/miss curves with bounds that are clustered by part.

MIL-HDBK-1823A, Nondestructive Evaluation System Reliability Assessment, 2009: the logit of the probability is linear in
the logarithm of the size (appendix G, hit/miss data). a50 and a90 are the sizes of which 50 % and 90 % are found, and
a90/95 is the size from which on the lower 95 % bound of the curve is at least 90 %.

Several defects are drawn on one part and share its texture and light, so they are not independent as the handbook
assumes. The covariance is therefore a sandwich over parts, with the correction CR3 for few of them, and quantiles of
Student's t: R. Bell and D. McCaffrey, Bias reduction in standard errors for linear regression with multi-stage samples,
Survey Methodology 28(2), 2002.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from reb_pipeline.core.errors import InputError
from reb_pipeline.metrics.at_threshold import flagged_share

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95  # of the lower bound, one-sided as in the handbook
SHARE = 0.9  # of defects that a promise is about
MIN_PARTS = 8  # fewest for which the coverage of the bounds was simulated
DRAWN_CONTRAST = 0.5  # least share of the contrast asked for that a draw must have
_UPDATES = 100  # of Newton's method, which needs about ten
_NEAR = 1e-12


@dataclass(frozen=True, eq=False)
class DetectionCurve:
    """Probability of detection over size: logit(p) = intercept + slope · ln(size).

    Attributes:
        intercept: Logit at size 1.
        slope: Increase of the logit for each unit of ln(size).
        covariance: Of intercept and slope, float64 [2, 2].
        degrees: Degrees of freedom of the bounds: number of parts - 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sizes, parts = rng.uniform(1, 20, 400), np.arange(400) % 40
        >>> found = rng.random(400) < 1 / (1 + np.exp(-(3 * np.log(sizes) - 6)))
        >>> curve = fit_curve(sizes, found, parts)
        >>> round(curve.size_at(0.5), 1), round(math.exp(6 / 3), 1)
        (7.4, 7.4)
        >>> curve.size_at(0.9) < curve.size_bounded(0.9)
        True
    """

    intercept: float
    slope: float
    covariance: np.ndarray
    degrees: int

    def probability(self, sizes: ArrayLike) -> np.ndarray:
        """Estimate the share of defects of these sizes that is found."""
        return _expit(self.intercept + self.slope * np.log(sizes))

    def bounds(self, sizes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Bound the share from below and from above, each at :data:`CONFIDENCE`."""
        x = np.log(np.asarray(sizes, np.float64))
        (a, b), (_, d) = self.covariance
        error = np.sqrt(np.maximum(a + 2 * b * x + d * x**2, 0)) * self._quantile
        logit = self.intercept + self.slope * x
        return _expit(logit - error), _expit(logit + error)

    def size_at(self, share: float) -> float | None:
        """Compute the size of which a share is found; None if larger defects are not found more often."""
        return _exp((_logit(share) - self.intercept) / self.slope) if self.slope > 0 else None

    def size_bounded(self, share: float) -> float | None:
        """Compute the size from which on at least a share is found, at :data:`CONFIDENCE`; a90/95 for 0.9.

        Returns:
            The size; None if it is not certain that larger defects are found more often.
        """
        t2, distance = self._quantile**2, self.intercept - _logit(share)
        (v_a, v_ab), (_, v_b) = self.covariance
        square = self.slope**2 - t2 * v_b
        if self.slope <= 0 or square <= 0:
            return None
        half = distance * self.slope - t2 * v_ab
        root = math.sqrt(max(half**2 - square * (distance**2 - t2 * v_a), 0.0))
        return _exp((root - half) / square)

    @property
    def _quantile(self) -> float:
        from scipy.stats import t

        return float(t.ppf(CONFIDENCE, self.degrees))


def fit_curve(sizes: ArrayLike, found: ArrayLike, parts: ArrayLike) -> DetectionCurve:
    """Fit a curve by maximum likelihood.

    Args:
        sizes: Sizes of the defects, above 0, [n].
        found: True for each that was found, bool [n].
        parts: Part that each was drawn on, any values, [n].

    Raises:
        InputError: If there are fewer than :data:`MIN_PARTS` parts, or sizes that are found and sizes that are missed
            do not overlap: the likelihood then has no maximum, and bounds mean nothing.
    """
    x = np.log(np.asarray(sizes, np.float64))
    y, (names, part) = np.asarray(found, bool), np.unique(parts, return_inverse=True)
    check_parts(len(names), "This kind")
    _check_overlap(x, y)
    centre, spread = float(x.mean()), float(x.std())
    design = np.stack([np.ones_like(x), (x - centre) / spread], axis=1)
    weights = _maximize(design, y)
    covariance = _clustered_covariance(design, y, weights, part)
    back = np.array([[1, -centre / spread], [0, 1 / spread]])  # to the logarithm itself
    intercept, slope = back @ weights
    return DetectionCurve(
        float(intercept), float(slope), back @ covariance @ back.T, len(names) - 1
    )


def check_parts(
    n_parts: int, name: str, remedy: str = "hold out more, by split.calibration"
) -> None:
    """Check that there are enough parts for bounds that are clustered by part.

    Args:
        n_parts: Number of good parts that nothing has learnt from.
        name: Beginning of the error message.
        remedy: End of the error message.

    Raises:
        InputError: If there are fewer than :data:`MIN_PARTS`.
    """
    if n_parts < MIN_PARTS:
        msg = (
            f"{name} has {n_parts} good parts that nothing has learnt from, and the probability of detection needs at "
            f"least {MIN_PARTS}: {remedy}."
        )
        raise InputError(msg)


def detection_report(
    draws: "pd.DataFrame", threshold: float, false_alarm_rate: float, pixel_size_mm: float | None
) -> dict[str, Any]:
    """Fit the curves of all kinds and contrasts, and state the sizes that are found.

    Args:
        draws: One row a drawn defect: image_id, kind, contrast (asked for), drawn_contrast, length (pixels), score;
            part, where images are views of parts.
        threshold: Highest score that is not flagged.
        false_alarm_rate: Share of good parts that may be flagged.
        pixel_size_mm: Length of a pixel of the photos in millimetres; None states pixels.

    Returns:
        JSON values: the arguments, ``unit``, ``confidence``, and ``curves``, one entry for each kind and contrast with
        numbers, ``a50``, ``a90`` and ``a90_95`` (None where they cannot be stated), ``statement`` and ``points`` of the
        curve; ``worst``, for each contrast the largest ``a90_95`` of all kinds with its ``statement``.
    """
    unit = "px" if pixel_size_mm is None else "mm"
    is_found = ~(draws["score"] <= threshold)
    part = draws["part" if "part" in draws else "image_id"]
    table = draws.assign(found=is_found, size=draws["length"] * (pixel_size_mm or 1.0), part=part)
    curves = [
        _curve(rows, unit, false_alarm_rate)
        for _, rows in table.groupby(["kind", "contrast"], sort=False)
    ]
    return {
        "threshold": float(threshold),
        "false_alarm_rate": false_alarm_rate,
        "pixel_size_mm": pixel_size_mm,
        "unit": unit,
        "confidence": CONFIDENCE,
        "parts": int(part.nunique()),
        "curves": curves,
        "worst": _worst(curves, unit, false_alarm_rate),
    }


def rejected(false_alarm_rate: float) -> str:
    """Say a false-alarm rate.

    Example:
        >>> rejected(0.02), rejected(0.03)
        ('one good part of 50 rejected', '3 % of good parts rejected')
    """
    one_of = round(1 / false_alarm_rate)
    if abs(one_of * false_alarm_rate - 1) < 1e-9:
        return f"one good part of {one_of} rejected"
    return f"{100 * false_alarm_rate:.3g} % of good parts rejected"


def _curve(rows: "pd.DataFrame", unit: str, rate: float) -> dict[str, Any]:
    kind, contrast = str(rows["kind"].iloc[0]), float(rows["contrast"].iloc[0])
    drawn = rows[rows["drawn_contrast"] >= DRAWN_CONTRAST * contrast]
    entry: dict[str, Any] = {
        "kind": kind,
        "contrast": contrast,
        "draws": len(drawn),
        "not_drawn": len(rows) - len(drawn),  # too faint on a part as dark or bright as the fill
        "found": int(drawn["found"].sum()),
        "parts": int(drawn["part"].nunique()),
        "shortest": float(drawn["size"].min()) if len(drawn) else None,
        "longest": float(drawn["size"].max()) if len(drawn) else None,
        "a50": None,
        "a90": None,
        "a90_95": None,
        "points": [],
    }
    what = f"Defects of the kind {kind}, {contrast:g} grey levels off the part,"
    try:
        curve = fit_curve(drawn["size"], drawn["found"], drawn["part"])
    except InputError as error:
        return {
            **entry,
            "statement": f"{what} have no size that can be promised. {error}",
        }
    low, high = entry["shortest"], entry["longest"]
    sizes = np.geomspace(low, high, 40)
    within = {
        name: size
        for name, share in (("a50", 0.5), ("a90", SHARE))
        if (size := curve.size_at(share)) is not None and low <= size <= high
    }
    bounded, reason = _promised(curve, drawn, unit)
    if bounded is None:
        statement = f"{what} have no size that can be promised. {reason}"
    else:
        statement = _promise(what, bounded, unit, rate)
    columns = (sizes, curve.probability(sizes), *curve.bounds(sizes))
    points = [dict(zip(("size", "share", "low", "high"), map(float, row), strict=True))
              for row in zip(*columns, strict=True)]  # fmt: skip
    return {**entry, **within, "a90_95": bounded, "statement": statement, "points": points}


def _promised(curve: DetectionCurve, drawn: "pd.DataFrame", unit: str) -> tuple[float | None, str]:
    """Compute a90/95 within the sizes that were drawn; None with the reason if there is none."""
    size, shortest, longest = curve.size_bounded(SHARE), drawn["size"].min(), drawn["size"].max()
    if size is None or size > longest:
        return (
            None,
            f"Up to {longest:.3g} {unit}, the longest drawn, the lower bound stays below {100 * SHARE:.0f} %.",
        )
    size = max(size, float(shortest))
    larger = drawn[drawn["size"] >= size].sort_values("size")["found"]
    for part in (1, 2, 4):  # all of them, the longer half, the longest quarter
        tail = larger.iloc[len(larger) - math.ceil(len(larger) / part) :]
        share = flagged_share(int(tail.sum()), len(tail))
        if share is not None and share["high"] < SHARE:
            return None, (
                f"The curve does not fit: of the {len(tail)} longest draws, {int(tail.sum())} were found."
            )
    return size, ""


def _worst(curves: list[dict[str, Any]], unit: str, rate: float) -> list[dict[str, Any]]:
    """Find the largest a90/95 of all kinds for each contrast; None if one of the kinds has none."""
    worst = []
    for contrast in sorted({curve["contrast"] for curve in curves}):
        sizes = [curve["a90_95"] for curve in curves if curve["contrast"] == contrast]
        what = f"Defects of any of these kinds, {contrast:g} grey levels off the part,"
        n_without = sizes.count(None)
        size = None if n_without else max(sizes)
        statement = (
            f"{what} have no size that can be promised: {n_without} of {len(sizes)} kinds have none."
            if size is None
            else _promise(what, size, unit, rate)
        )
        worst.append({"contrast": contrast, "a90_95": size, "statement": statement})
    return worst


def _promise(what: str, size: float, unit: str, rate: float) -> str:
    return (
        f"{what} and longer than {size:.3g} {unit} are found in {100 * SHARE:.0f} % of cases, at "
        f"{100 * CONFIDENCE:.0f} % confidence, {rejected(rate)}."
    )


def _check_overlap(x: np.ndarray, found: np.ndarray) -> None:
    """Check that the likelihood has a maximum.

    Raises:
        InputError: If a size separates what is found from what is missed.
    """
    if not len(x) or found.all() or not found.any():
        how = "All" if len(x) and found.all() else "None"
        change = "shorter or fainter" if how == "All" else "longer or stronger"
        msg = f"{how} of {len(x)} draws were found, so no curve fits: draw {change} ones as well."
        raise InputError(msg)
    hits, misses = x[found], x[~found]
    if misses.max() <= hits.min() or hits.max() <= misses.min():
        msg = (
            f"Those found and those missed of {len(x)} draws do not overlap in length, so no curve has bounds: draw "
            f"more of them."
        )
        raise InputError(msg)


def _maximize(design: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Maximise the likelihood of a logistic regression by Newton's method with halved steps."""
    weights = np.zeros(design.shape[1])

    def loss(tried: np.ndarray) -> float:
        logit = design @ tried
        return float(np.logaddexp(0, np.where(found, -logit, logit)).sum())

    now = loss(weights)
    for _ in range(_UPDATES):
        share = _expit(design @ weights)
        information = (design * (share * (1 - share))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (found - share))
        while (after := loss(weights + step)) > now and np.abs(step).max() > _NEAR:
            step = step / 2
        weights, now = weights + step, after
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _clustered_covariance(
    design: np.ndarray, found: np.ndarray, weights: np.ndarray, part: np.ndarray
) -> np.ndarray:
    """Estimate the covariance of the weights from the residuals of whole parts, with the correction CR3."""
    share = np.clip(_expit(design @ weights), _NEAR, 1 - _NEAR)
    root = np.sqrt(share * (1 - share))
    scaled, residual = design * root[:, None], (found - share) / root
    bread = np.linalg.inv(scaled.T @ scaled)
    n_parts = int(part.max()) + 1
    meat = np.zeros_like(bread)
    for one in range(n_parts):
        own = scaled[part == one]
        left_out = np.eye(len(own)) - own @ bread @ own.T
        gradient = own.T @ np.linalg.solve(left_out, residual[part == one])
        meat += np.outer(gradient, gradient)
    covariance: np.ndarray = (n_parts - 1) / n_parts * bread @ meat @ bread
    return covariance


def _expit(logit: ArrayLike) -> np.ndarray:
    from scipy.special import expit

    return np.asarray(expit(logit))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))  # larger ones overflow
