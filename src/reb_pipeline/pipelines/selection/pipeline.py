"""DAG of the selection pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import ALL_PARAMETERS, per_category
from reb_pipeline.pipelines.selection.nodes import (
    draw_selection,
    rank_candidates,
    write_parameters,
)

PARAMS = "params:selection"


def create_pipeline() -> Pipeline:
    """Create the pipeline: raw_images -> selection_candidates per category -> selected_parameters, selection_figure."""
    template = Pipeline(
        [
            Node(
                rank_candidates,
                ["raw_images", "study_cache", ALL_PARAMETERS, PARAMS],
                "selection_candidates",
                name="rank_candidates",
            )
        ]
    )
    candidates = [f"selection_candidates_{category}" for category in categories()]
    comparison = [
        Node(write_parameters, candidates, "selected_parameters", name="write_parameters"),
        Node(draw_selection, candidates, "selection_figure", name="draw_selection"),
    ]
    ranked = per_category("selection", template, outputs=["selection_candidates"])
    return Pipeline([ranked, Pipeline(comparison)])
