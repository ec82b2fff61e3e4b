"""Comparison of stored runs: what changed from one to the next, and what it did to the metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.text_lists import from_text, to_text
from reb_pipeline.metrics.registry import HEADLINES
from reb_pipeline.metrics.report import measured
from reb_pipeline.metrics.significance import Comparison, delong_test
from reb_pipeline.metrics.summary import summary_row
from reb_pipeline.tracking.lineage import Facts, Lineage, Manifest

if TYPE_CHECKING:
    from reb_pipeline.tracking.lineage import Made

MEMORY_BANK = "memory_bank"
IMAGE_AUROC = "image_auroc"
_METRICS, _SCORES = "metrics.json", "scores.parquet"
_SHARES = ("recall_share", "false_alarm_share")


@dataclass(frozen=True)
class Stored:
    """Files of all runs, each opened when it is asked for, by (path below the folder of results, version).

    Attributes:
        manifests: Manifests of all runs.
        reports: Functions that open JSON files of the reporting layer.
        samples: Functions that open tables of samples.
        scores: Functions that open tables of scores.
    """

    manifests: Sequence[Manifest]
    reports: Mapping[tuple[str, str], Callable[[], Any]]
    samples: Mapping[tuple[str, str], Callable[[], Any]]
    scores: Mapping[tuple[str, str], Callable[[], Any]]


@dataclass(frozen=True)
class Result:
    """Metrics of one run, category and detector, and what they were made with.

    Attributes:
        run_id: Id of the run that measured it.
        category: Name of the category.
        detector: ``memory_bank``, ``hybrid``, ….
        metrics: Counts, metrics and shares in [0, 1] by name, those that could be measured.
        facts: Parameters, data and code behind it.
        scores: Its table of scores; None if it is not stored any more.
    """

    run_id: str
    category: str
    detector: str
    metrics: dict[str, float]
    facts: Facts
    scores: pd.DataFrame | None


def find_results(stored: Stored, run_ids: Sequence[str] = ()) -> list[Result]:
    """Find the results of runs, in the order of category, detector and time.

    Args:
        stored: Files of all runs.
        run_ids: The runs; empty for all.

    Raises:
        InputError: If a run measured nothing that is still stored.
    """
    found = results_of(stored)
    if not found:
        msg = (
            "No run that measured something is stored in this output_root with a manifest that names its files: run "
            "the project first, by plain `kedro run`."
        )
        raise InputError(msg)
    check_known(run_ids, sorted({one.run_id for one in found}), "Run with metrics")
    return [one for one in found if not run_ids or one.run_id in run_ids]


def results_of(stored: Stored, run_id: str | None = None) -> list[Result]:
    """Find the results of one run, or of all; none if nothing was measured."""
    lineage = Lineage(stored.manifests)
    samples = _Opened(stored.samples)
    found = [
        _result(made, report, lineage, stored, samples)
        for made in lineage.results(_METRICS)
        if run_id in (None, made.manifest["run_id"])
        and made.file in stored.reports
        and (report := stored.reports[made.file]())
    ]
    return sorted(found, key=lambda one: (one.category, one.detector, one.run_id))


class _Opened(dict[tuple[str, str], Any]):
    """Values that are opened once, when they are asked for."""

    def __init__(self, openers: Mapping[tuple[str, str], Callable[[], Any]]) -> None:
        super().__init__()
        self._openers = openers

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        if key not in self:
            self[key] = self._openers[key]() if key in self._openers else default
        return self[key]


def _result(
    made: "Made", report: dict[str, Any], lineage: Lineage, stored: Stored, samples: _Opened
) -> Result:
    name = PurePosixPath(made.file[0]).name.removesuffix(_METRICS).removesuffix("_")
    files = [one.file for one in lineage.inputs(made) if one.file[0].endswith(_SCORES)]
    scores = next((stored.scores[file]() for file in files if file in stored.scores), None)
    numbers = {
        key: float(value)
        for key, value in summary_row(report).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    facts = lineage.facts(made, report["category"], samples)
    return Result(
        made.manifest["run_id"], report["category"], name or MEMORY_BANK, numbers, facts, scores
    )


def compare_runs(results: Sequence[Result]) -> pd.DataFrame:
    """Compare each run with the one before it, for each category and detector.

    Args:
        results: Results in the order of :func:`find_results`.

    Returns:
        One row a result: ``category``, ``detector``, ``run_id``, all its metrics, then what the row above of the same
        category and detector differs in: ``compared_with`` (its run), ``changed`` (JSON text: a list of descriptions),
        ``difference`` of the image AUROC with its ``standard_error`` and ``p_value``, and ``not_tested``, the reason
        where there is no test. The first row of each has none of these.
    """
    rows = []
    before: Result | None = None
    for result in results:
        row: dict[str, Any] = {
            "category": result.category, "detector": result.detector, "run_id": result.run_id, **result.metrics,
            "compared_with": "", "changed": to_text([]), "difference": None, "standard_error": None,
            "p_value": None, "not_tested": "",
        }  # fmt: skip
        if before and (before.category, before.detector) == (result.category, result.detector):
            tested, reason = compare_scores(result.scores, before.scores)
            row |= {
                "compared_with": before.run_id,
                "changed": to_text(result.facts.changes_since(before.facts)),
                "difference": _difference(result.metrics, before.metrics),
                "not_tested": reason,
            }
            if tested:
                row |= {"standard_error": tested.standard_error, "p_value": tested.p_value}
        rows.append(row)
        before = result
    table = pd.DataFrame(rows)
    first = ["category", "detector", "run_id"]
    last = ["compared_with", "changed", "difference", "standard_error", "p_value", "not_tested"]
    numbers = [name for name in table if name not in (*first, *last)]
    return table[[*first, *numbers, *last]].astype(dict.fromkeys([*numbers, *last[2:5]], float))


def _difference(now: Mapping[str, float], before: Mapping[str, float]) -> float | None:
    if IMAGE_AUROC in now and IMAGE_AUROC in before:
        return now[IMAGE_AUROC] - before[IMAGE_AUROC]
    return None


def compare_scores(
    now: pd.DataFrame | None, before: pd.DataFrame | None
) -> tuple[Comparison | None, str]:
    """Test the difference of the image AUROC of two runs by DeLong's test, if they scored the same images.

    Images are the same by the hashes of their files and by their labels; what metrics do not count is left out.

    Args:
        now: Table of scores: sha256, label, image_score, is_copy.
        before: The other one.

    Returns:
        The comparison and an empty text, or None and the reason why there is no test.
    """
    if now is None or before is None:
        return None, "the scores are not stored any more"
    if not all("sha256" in table and "image_score" in table for table in (now, before)):
        return None, "the scores have no hashes of the images"
    pair = [
        measured(table).sort_values(["sha256", "label"], kind="stable") for table in (now, before)
    ]
    names = [list(zip(table["sha256"], table["label"], strict=True)) for table in pair]
    if names[0] != names[1]:
        only = [len(set(a) - set(b)) for a, b in (names, names[::-1])]
        return (
            None,
            f"other test images: {only[0]} that the run before did not have, {only[1]} that only it had",
        )
    labels = pair[0]["label"].to_numpy()
    anomalous = np.count_nonzero(labels)
    if min(anomalous, len(labels) - anomalous) < 2:
        return None, "fewer than two good or two anomalous test images"
    scores = [table["image_score"].to_numpy(np.float64) for table in pair]
    return delong_test(labels, *scores), ""


def render_runs(table: pd.DataFrame) -> str:
    """Format the table of :func:`compare_runs` as text: metrics in percent, and below them what changed in each run."""
    parts = []
    for (category, detector), rows in table.groupby(["category", "detector"], sort=False):
        percent = [name for name in (*HEADLINES, *_SHARES, "difference") if name in rows]
        shown = rows[["run_id"]].join(100 * rows[percent]).join(rows["p_value"])
        text = shown.to_string(
            index=False,
            float_format="{:.2f}".format,
            formatters={"p_value": "{:.2g}".format},
            na_rep="–",
        )
        lines = [f"{category}, {str(detector).replace('_', ' ')}", text]
        for row in rows.to_dict("records"):
            if row["compared_with"]:
                changed = "; ".join(from_text(row["changed"])) or "nothing that is recorded"
                lines.append(f"{row['run_id']} changed {changed}")
                if row["not_tested"]:
                    lines.append(f"{row['run_id']} is not tested: {row['not_tested']}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
