"""Node of the comparison of runs."""

from typing import Any

import pandas as pd

from reb_pipeline.parameters.sections import ComparisonParams
from reb_pipeline.pipelines.compare.stored import Partitions, stored_by_runs


def compare_stored_runs(
    reports: Partitions, samples: Partitions, scores: Partitions, params: ComparisonParams
) -> tuple[pd.DataFrame, Any]:
    """Compare each stored run with the one before it, in a table and a figure."""
    from reb_pipeline.figures.runs import runs_figure
    from reb_pipeline.tracking.comparison import compare_runs, find_results

    stored = stored_by_runs(reports, samples, scores)
    table = compare_runs(find_results(stored, params.runs))
    return table, runs_figure(table)
