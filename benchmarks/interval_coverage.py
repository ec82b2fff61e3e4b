"""Coverage of 95 % intervals of an AUROC by simulation: ``python benchmarks/interval_coverage.py --out FOLDER``.

Scores with a known AUROC are drawn for tests of several sizes; each method's interval covers the known AUROC or not.
Beside it: how often DeLong's paired test calls two equally good detectors different at 5 %, and how often the interval
of an expected cost holds the true cost. Writes ``interval_coverage.md``.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import special, stats

from reb_pipeline.calibration.costs import Prices, Thresholds, expected_cost
from reb_pipeline.core.progress import progress
from reb_pipeline.metrics.significance import auroc, auroc_interval, delong_test

SIZES = ((14, 40), (20, 20), (50, 50), (176, 313))  # good and defective test images
AUROCS = (0.8, 0.9, 0.97, 0.995)
COST_SIZES = ((20, 10), (39, 30), (52, 60), (200, 200))
DEFECTS = {
    "2 above good ones": stats.norm(2),
    "3 above, spread three times as far": stats.norm(3, 3),
}
RESAMPLES = 1000
LEVEL = 0.05
Z = stats.norm.ppf(1 - LEVEL / 2)
Interval = tuple[float, float]
Draw = Callable[[np.random.Generator, float, int, int], tuple[np.ndarray, np.ndarray]]


def equal_spread(
    rng: np.random.Generator, area: float, n: int, m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n good and m defective images, both normal with the same spread."""
    return rng.normal(size=n), rng.normal(np.sqrt(2) * stats.norm.ppf(area), size=m)


def wide_defects(
    rng: np.random.Generator, area: float, n: int, m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n good and m defective images, normal; those of the defects spread three times as far."""
    return rng.normal(size=n), rng.normal(np.sqrt(10) * stats.norm.ppf(area), 3, size=m)


def unseen_defects(
    rng: np.random.Generator, area: float, n: int, m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n good and m defective images: some defects score as good images do, the others far above."""
    unseen = rng.random(m) < 2 * (1 - area)
    return rng.normal(size=n), rng.normal(np.where(unseen, 0, 50), 1)


def odd_good(
    rng: np.random.Generator, area: float, n: int, m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n good and m defective images: some good images score as defects do."""
    odd = rng.random(n) < 2 * (1 - area)
    return rng.normal(np.where(odd, 50, 0), 1), rng.normal(50, size=m)


DRAWS: dict[str, Draw] = {
    "equal spread": equal_spread,
    "defects spread three times as far": wide_defects,
    "some defects score as good images": unseen_defects,
    "some good images score as defects": odd_good,
}


def bootstraps(good: np.ndarray, anomalous: np.ndarray, seed: int) -> tuple[Interval, Interval]:
    """Percentile and BCa interval of scipy; good and anomalous images are drawn separately."""
    labels = np.repeat([0, 1], [len(good), len(anomalous)])

    def statistic(good: np.ndarray, anomalous: np.ndarray, axis: int = -1) -> np.ndarray:
        sizes = good.shape[-1], anomalous.shape[-1]
        of_sizes = labels if sum(sizes) == len(labels) else np.repeat([0, 1], sizes)
        shape = np.broadcast_shapes(good.shape[:-1], anomalous.shape[:-1])
        both = [np.broadcast_to(one, (*shape, one.shape[-1])) for one in (good, anomalous)]
        return auroc(of_sizes, np.concatenate(both, axis=-1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BCa of complete separation is undefined
        found = stats.bootstrap(
            (good, anomalous), statistic, n_resamples=RESAMPLES, vectorized=True, random_state=seed
        )
    low, high = np.quantile(found.bootstrap_distribution, [LEVEL / 2, 1 - LEVEL / 2])
    area = float(auroc(labels, np.concatenate([good, anomalous])))
    bca = found.confidence_interval
    return (low, high), (area, area) if np.isnan(bca.low) else (bca.low, bca.high)


def delongs(good: np.ndarray, anomalous: np.ndarray) -> tuple[Interval, Interval]:
    """Intervals of DeLong's standard error, on AUROC and on its logit; complete separation has no width."""
    n, m = len(good), len(anomalous)
    ranks = stats.rankdata(np.concatenate([anomalous, good]))
    of_anomalous = (ranks[:m] - stats.rankdata(anomalous)) / n
    of_good = 1 - (ranks[m:] - stats.rankdata(good)) / m
    area = of_good.mean()
    error = np.sqrt(of_anomalous.var(ddof=1) / m + of_good.var(ddof=1) / n)
    plain = (area - Z * error, area + Z * error)
    if not 0 < area < 1:
        return plain, (area, area)
    half = Z * error / (area * (1 - area))
    return plain, (
        special.expit(special.logit(area) - half),
        special.expit(special.logit(area) + half),
    )


def coverage(
    draw: Draw, area: float, n: int, m: int, simulations: int, resampled: int
) -> dict[str, tuple[float, float]]:
    """Coverage and mean width of each method; of the bootstraps over the first ``resampled`` simulations."""
    rng = np.random.default_rng([round(1000 * area), n, m])
    labels = np.repeat([0, 1], [n, m])
    found: dict[str, list[Interval]] = {}
    for number in range(simulations):
        good, anomalous = draw(rng, area, n, m)
        one = dict(zip(("DeLong", "DeLong, logit"), delongs(good, anomalous), strict=True))
        if number < resampled:
            one |= zip(("percentile", "BCa"), bootstraps(good, anomalous, number), strict=True)
        one["here"] = auroc_interval(labels, np.concatenate([good, anomalous]))
        for name, interval in one.items():
            found.setdefault(name, []).append(interval)
    result = {}
    for name, intervals in found.items():
        low, high = np.array(intervals).T
        inside = (low <= area) & (area <= high)
        result[name] = float(inside.mean()), float((high - low).mean())
    return result


def false_differences(area: float, n: int, m: int, simulations: int) -> float:
    """Share of pairs of equally good detectors that DeLong's test calls different at 5 %."""
    rng = np.random.default_rng([round(1000 * area), n, m])
    labels = np.repeat([0, 1], [n, m])
    shift = 2 * stats.norm.ppf(area)  # a shared part and one of each method, each of variance 1
    called = 0
    for _ in range(simulations):
        shared = rng.normal(size=n + m) + shift * labels
        a, b = shared + rng.normal(size=(2, n + m))
        called += delong_test(labels, a, b).p_value < LEVEL
    return called / simulations


def cost_coverage(
    defective: stats.rv_continuous, n: int, m: int, looks: bool, simulations: int
) -> tuple[float, float]:
    """Coverage and mean width of the interval of an expected cost, with thresholds at fixed ranks of the good scores.

    Args:
        defective: Distribution of the scores of defective parts; those of good parts are standard normal.
        n: Number of good scores.
        m: Number of defective scores.
        looks: True for a second threshold, between which and the first one parts are doubtful.
        simulations: Number of simulations.
    """
    rng = np.random.default_rng([n, m])
    prices = Prices(false_alarm=5, escape=200, defect_rate=0.01, second_look=1 if looks else None)
    p, inside, widths = prices.defect_rate, 0, []
    for _ in range(simulations):
        good, bad = rng.normal(size=n), defective.rvs(size=m, random_state=rng)
        higher, lower = np.sort(good)[-2], np.sort(good)[-max(3, n // 10)]
        lower = lower if looks else higher
        cost = expected_cost(good, bad, prices, Thresholds(higher, lower if looks else None))
        of_good = (1 - p) * (
            5 * stats.norm.sf(higher) + stats.norm.cdf(higher) - stats.norm.cdf(lower)
        )
        of_bad = p * (200 * defective.cdf(lower) + defective.cdf(higher) - defective.cdf(lower))
        inside += cost.low <= of_good + of_bad <= cost.high
        widths.append((cost.high - cost.low) / (of_good + of_bad))
    return inside / simulations, float(np.mean(widths))


def table(simulations: int, resampled: int) -> str:
    """Markdown of both parts."""
    methods = ("percentile", "BCa", "DeLong", "DeLong, logit", "here")
    lines = []
    for name, draw in DRAWS.items():
        lines += [f"\n{name}\n", f"| good, defective | AUROC | {' | '.join(methods)} |"]
        lines += [f"|---|---|{'---|' * len(methods)}"]
        for (n, m), area in progress([(size, a) for size in SIZES for a in AUROCS], name):
            found = coverage(draw, area, n, m, simulations, resampled)
            cells = [f"{found[method][0]:.1%} ({100 * found[method][1]:.1f})" for method in methods]
            lines.append(f"| {n}, {m} | {100 * area:g} | {' | '.join(cells)} |")
    lines += ["\nDeLong's test of two equally good detectors\n"]
    lines += [f"| good, defective | {' | '.join(f'AUROC {100 * a:g}' for a in AUROCS)} |"]
    lines += [f"|---|{'---|' * len(AUROCS)}"]
    for n, m in progress(SIZES, "DeLong's test"):
        shares = [f"{false_differences(area, n, m, simulations):.1%}" for area in AUROCS]
        lines.append(f"| {n}, {m} | {' | '.join(shares)} |")
    lines += ["\nInterval of an expected cost\n"]
    lines += ["| good, defective | defects | one threshold | two |", "|---|---|---|---|"]
    for (n, m), (name, defective) in progress(
        [(size, one) for size in COST_SIZES for one in DEFECTS.items()], "expected cost"
    ):
        found = [cost_coverage(defective, n, m, looks, simulations) for looks in (False, True)]
        cells = [f"{inside:.1%} ({100 * width:.0f} %)" for inside, width in found]
        lines.append(f"| {n}, {m} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines).strip() + "\n"


def main() -> None:
    """Simulate, print the tables, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--resampled", type=int, default=200, help="simulations with bootstraps")
    parser.add_argument("--out", type=Path, default=Path("interval_coverage"))
    arguments = parser.parse_args()
    text = table(arguments.simulations, arguments.resampled)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "interval_coverage.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
