"""What a choice without labels is worth on the test images of a category."""

from typing import Any

import pandas as pd

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.progress import progress
from reb_pipeline.parameters.configurations import AUTO, Cell, expand
from reb_pipeline.parameters.studies import SelectionParams
from reb_pipeline.studies.candidates import judge_candidates
from reb_pipeline.studies.experiment import Workbench
from reb_pipeline.studies.measure import CellMeter
from reb_pipeline.studies.regret import choice_rows, unavailable_choices

PAPER = {
    "detector": "ldknn", "n_neighbors": 5, "alpha": 1.0, "form": "subtract_squared", "image_score": "block_max"
}  # fmt: skip


def compare_choices(bench: Workbench, meter: CellMeter, selection: SelectionParams) -> pd.DataFrame:
    """Compare the paper's default, alpha = auto alone, the choice without labels, and the best cell on the test labels.

    Args:
        bench: The category.
        meter: What measures cells on its test images.
        selection: The candidates, and further cells that the oracle may take.
    """
    defaults = bench.sections.defaults()
    candidates = selection.cells(defaults)
    try:
        judged = judge_candidates(bench, candidates)
    except InputError as error:
        return unavailable_choices(bench.images.category, f"error: {error}")
    paper = Cell(**{**defaults, **PAPER})
    auto = Cell(**{**defaults, **PAPER, "alpha": AUTO})
    chosen = candidates[int(judged["chosen"].to_numpy().argmax())]
    grids = [*selection.grids, *selection.oracle_grids]
    cells = list(dict.fromkeys([paper, auto, *expand(grids, defaults)]))
    label = f"{bench.images.category}: cells for the oracle"
    reports: dict[Cell, Any] = {cell: meter.report(cell) for cell in progress(cells, label)}
    return choice_rows(
        bench.images.category, reports, candidates, paper=paper, auto=auto, chosen=chosen
    )
