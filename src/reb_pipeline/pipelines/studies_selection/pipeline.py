"""DAG of the study of the selection."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import TOLERATES_MISSING_DATA, per_category
from reb_pipeline.pipelines.selection.pipeline import SHARED
from reb_pipeline.pipelines.studies.template import SECTIONS
from reb_pipeline.pipelines.studies_selection.nodes import (
    draw_choices,
    gather_choices,
    measure_choices,
)


def create_pipeline() -> Pipeline:
    """raw_images -> study_selection_cells of each category -> study_selection_table -> study_selection_figure."""
    cells = "study_selection_cells"
    template = Pipeline(
        [
            Node(
                measure_choices,
                [
                    "raw_images",
                    "study_cache",
                    *(f"params:{section}" for section in SECTIONS),
                    *SHARED,
                ],
                cells,
                name="measure_choices",
                tags=TOLERATES_MISSING_DATA,
            )
        ]
    )
    comparison = [
        Node(
            gather_choices,
            [f"{cells}_{category}" for category in categories()],
            "study_selection_table",
            name="gather_choices",
        ),
        Node(draw_choices, "study_selection_table", "study_selection_figure", name="draw_choices"),
    ]
    return Pipeline(
        [per_category(template, SECTIONS, outputs=[cells], shared=SHARED), Pipeline(comparison)]
    )
