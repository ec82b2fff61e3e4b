"""The shape of every study: cells of each category, one table of all, one figure."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import COMPUTE, TOLERATES_MISSING_DATA, per_category
from reb_pipeline.pipelines.studies.nodes import gather_table, measure_cells

SECTIONS = [
    "ingestion", "features", "defect_synthesis", "ssl_finetune", "memory_bank", "scoring",
    "feature_reconstruction", "pixel_reconstruction", "evaluation",
]  # fmt: skip


def study_pipeline(name: str, draw: Callable[..., Any]) -> Pipeline:
    """raw_images -> study_<name>_cells of each category -> study_<name>_table -> study_<name>_figure.

    Args:
        name: Of the study, a name of the parameters ``studies``.
        draw: The table to a figure.
    """
    cells, table, figure = f"study_{name}_cells", f"study_{name}_table", f"study_{name}_figure"
    params = [COMPUTE, "params:studies.representation_defects", f"params:studies.{name}"]
    template = Pipeline(
        [
            Node(
                measure_cells,
                [
                    "raw_images",
                    "study_cache",
                    *(f"params:{section}" for section in SECTIONS),
                    *params,
                ],
                cells,
                name=f"measure_{name}",
                tags=TOLERATES_MISSING_DATA,
            )
        ]
    )
    of_categories = [f"{cells}_{category}" for category in categories()]
    comparison = [
        Node(
            gather_table,
            ["params:studies.benchmark", f"params:studies.{name}", *of_categories],
            table,
            name=f"gather_{name}",
        ),
        Node(draw, table, figure, name=f"draw_{name}"),
    ]
    return Pipeline(
        [per_category(template, SECTIONS, outputs=[cells], shared=params), Pipeline(comparison)]
    )
