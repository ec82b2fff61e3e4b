import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binom, t

from reb_pipeline.core.errors import InputError
from reb_pipeline.metrics.detection_probability import (
    MIN_PARTS,
    DetectionCurve,
    detection_report,
    fit_curve,
    rejected,
)


def simulated(rng, n_parts, per_part, spread=0.0, intercept=-6.0, slope=3.0):
    """Sizes, hits and parts; the logit of a part differs from the others' by a normal number."""
    part = np.repeat(np.arange(n_parts), per_part)
    sizes = np.exp(rng.uniform(0, math.log(60), len(part)))
    logit = intercept + slope * np.log(sizes) + rng.normal(0, spread, n_parts)[part]
    return sizes, rng.random(len(part)) < 1 / (1 + np.exp(-logit)), part


def test_the_curve_has_the_highest_likelihood():
    rng = np.random.default_rng(0)
    sizes, found, parts = simulated(rng, 20, 10)

    def loss(weights):
        logit = weights[0] + weights[1] * np.log(sizes)
        return np.logaddexp(0, np.where(found, -logit, logit)).sum()

    best = minimize(loss, [0, 1], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    curve = fit_curve(sizes, found, parts)
    assert (curve.intercept, curve.slope) == pytest.approx(tuple(best.x), rel=1e-5)
    logit = math.log(0.9 / 0.1)
    assert curve.size_at(0.9) == pytest.approx(math.exp((logit - best.x[0]) / best.x[1]), rel=1e-5)


def test_the_covariance_is_the_sandwich_of_bell_and_mccaffrey():
    """CR3 by its formula: residuals of each part divided by I - H of this part, in Pearson's units."""
    rng = np.random.default_rng(1)
    sizes, found, parts = simulated(rng, 9, 12, spread=1.0)
    curve = fit_curve(sizes, found, parts)
    x = np.stack([np.ones_like(sizes), np.log(sizes)], axis=1)
    p = 1 / (1 + np.exp(-(x @ [curve.intercept, curve.slope])))
    weight = np.diag(p * (1 - p))
    bread = np.linalg.inv(x.T @ weight @ x)
    meat = 0
    for part in range(9):
        own = parts == part
        hat = weight[np.ix_(own, own)] @ x[own] @ bread @ x[own].T
        score = x[own].T @ np.linalg.inv(np.eye(own.sum()) - hat) @ (found - p)[own]
        meat = meat + np.outer(score, score)
    np.testing.assert_allclose(curve.covariance, 8 / 9 * bread @ meat @ bread, rtol=1e-6)
    assert curve.degrees == 8


@settings(max_examples=60)
@given(
    st.floats(-8, 2), st.floats(0.3, 5), st.floats(0.01, 1), st.floats(0.001, 0.4),
    st.floats(-0.9, 0.9), st.sampled_from([0.5, 0.9, 0.95]),
)  # fmt: skip
def test_the_lower_bound_at_a_bounded_size_is_the_share(intercept, slope, a, b, r, share):
    covariance = np.array([[a**2, r * a * b], [r * a * b, b**2]])
    curve = DetectionCurve(intercept, slope, covariance, degrees=20)
    size = curve.size_bounded(share)
    assert (size is None) == (slope <= t.ppf(0.95, 20) * b)  # larger ones are not surely found more
    if size is not None and 1e-100 < size < 1e100:
        assert curve.bounds([size])[0] == pytest.approx(share, abs=1e-6)
        assert size >= curve.size_at(share)
        assert (np.diff(curve.bounds(size * np.geomspace(1, 100, 30))[0]) >= -1e-12).all()


@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_nineteen_of_twenty_bounds_are_above_the_true_size(spread):
    """20 parts with 6 defects each, 300 times; fewer than 92 % would happen once in a hundred."""
    rng = np.random.default_rng(2)
    effects = rng.normal(0, spread, 100_001)
    tried = np.linspace(1, 5, 400)
    mean = [(1 / (1 + np.exp(6 - 3 * x - effects))).mean() for x in tried]
    true = math.exp(np.interp(0.9, mean, tried))
    bounds = [fit_curve(*simulated(rng, 20, 6, spread)).size_bounded(0.9) for _ in range(300)]
    covered = sum(bound is None or bound >= true for bound in bounds)
    assert covered >= binom.ppf(0.01, 300, 0.94)
    assert covered < 300


def test_bounds_are_wider_where_draws_on_one_part_are_alike():
    rng = np.random.default_rng(3)
    sizes, found, parts = simulated(rng, 25, 12, spread=2.5)
    clustered = fit_curve(sizes, found, parts)
    naive = fit_curve(sizes, found, np.arange(len(sizes)))
    assert clustered.size_at(0.9) == naive.size_at(0.9)
    assert clustered.size_bounded(0.9) > 1.05 * naive.size_bounded(0.9)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (np.ones(40, bool), "All of 40 draws were found, so no curve fits: draw shorter"),
        (np.zeros(40, bool), "None of 40 draws were found, so no curve fits: draw longer"),
        (np.arange(40) >= 17, "do not overlap in length, so no curve has bounds"),
        (np.arange(40) < 17, "do not overlap in length"),
    ],
)
def test_what_separates_has_no_curve(found, sentence):
    with pytest.raises(InputError, match=sentence):
        fit_curve(np.arange(1, 41), found, np.arange(40) % 10)


def test_few_parts_have_no_curve():
    rng = np.random.default_rng(4)
    with pytest.raises(InputError, match=f"has {MIN_PARTS - 1} good parts.*at least {MIN_PARTS}"):
        fit_curve(*simulated(rng, MIN_PARTS - 1, 20))


def draws_of(rng, kind="bezier+noise", contrast=20.0, **how):
    sizes, found, parts = simulated(rng, 20, 10, **how)
    return pd.DataFrame(
        {"image_id": parts, "kind": kind, "contrast": contrast, "drawn_contrast": contrast,
         "length": sizes, "score": np.where(found, 2.0, 1.0)}
    )  # fmt: skip


def test_the_report_states_sizes_in_pixels_or_millimetres():
    draws = draws_of(np.random.default_rng(5))
    in_pixels = detection_report(draws, 1.0, 0.02, None)  # a score of the threshold is not flagged
    in_mm = detection_report(draws, 1.0, 0.03, 0.1)
    (one,), (other,) = in_pixels["curves"], in_mm["curves"]
    assert one["found"] == (draws["score"] > 1).sum()
    for name in ("a50", "a90", "a90_95"):
        assert other[name] == pytest.approx(one[name] / 10)
    assert one["statement"] == (
        "Defects of the kind bezier+noise, 20 grey levels off the part, and longer than "
        f"{one['a90_95']:.3g} px are found in 90 % of cases, at 95 % confidence, one good part of 50 rejected."
    )
    assert other["statement"].endswith(
        f"longer than {other['a90_95']:.3g} mm are found in 90 % of cases, at 95 % confidence, {rejected(0.03)}."
    )
    assert in_pixels["worst"][0]["a90_95"] == one["a90_95"]


def test_one_kind_without_a_size_leaves_none_for_all():
    rng = np.random.default_rng(6)
    faint = draws_of(rng, "rect+noise", intercept=-4, slope=1)  # 90 % beyond the longest
    report = detection_report(pd.concat([draws_of(rng), faint]), 1.0, 0.05, None)
    sizes = {curve["kind"]: curve["a90_95"] for curve in report["curves"]}
    assert sizes["bezier+noise"] > 0
    assert sizes["rect+noise"] is None
    assert "the lower bound stays below 90 %" in report["curves"][1]["statement"]
    assert report["worst"][0]["a90_95"] is None
    assert "1 of 2 kinds have none" in report["worst"][0]["statement"]


def test_a_curve_that_does_not_fit_promises_nothing():
    """Defects are found surely from a middle length on, but four of ten of the longest are missed."""
    draws = draws_of(np.random.default_rng(7), intercept=-12, slope=6)
    long = draws.nlargest(40, "length").index
    rest = pd.concat([draws.drop(long)] * 6)
    draws.loc[long[:18], "score"] = 1.0
    (curve,) = detection_report(pd.concat([rest, draws.loc[long]]), 1.0, 0.05, None)["curves"]
    assert curve["a90_95"] is None
    assert "The curve does not fit: of the " in curve["statement"]


def test_draws_that_black_or_white_made_faint_are_left_out():
    draws = draws_of(np.random.default_rng(8))
    draws.loc[:29, "drawn_contrast"] = 9.0
    (curve,) = detection_report(draws, 1.0, 0.05, None)["curves"]
    assert (curve["draws"], curve["not_drawn"]) == (170, 30)
