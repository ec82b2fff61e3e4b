"""DAG of the selection pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import COMPUTE, per_category
from reb_pipeline.pipelines.selection.nodes import (
    draw_selection,
    judge_candidates,
    write_parameters,
)

SECTIONS = [
    "ingestion", "features", "defect_synthesis", "ssl_finetune", "memory_bank", "scoring",
    "feature_reconstruction", "pixel_reconstruction",
]  # fmt: skip
SHARED = [COMPUTE, "params:studies.representation_defects", "params:selection"]


def create_pipeline() -> Pipeline:
    """raw_images -> selection_candidates of each category -> selected_parameters, selection_figure."""
    template = Pipeline(
        [
            Node(
                judge_candidates,
                [
                    "raw_images",
                    "study_cache",
                    *(f"params:{section}" for section in SECTIONS),
                    *SHARED,
                ],
                "selection_candidates",
                name="judge_candidates",
            )
        ]
    )
    candidates = [f"selection_candidates_{category}" for category in categories()]
    comparison = [
        Node(write_parameters, candidates, "selected_parameters", name="write_parameters"),
        Node(draw_selection, candidates, "selection_figure", name="draw_selection"),
    ]
    return Pipeline(
        [
            per_category(template, SECTIONS, outputs=["selection_candidates"], shared=SHARED),
            Pipeline(comparison),
        ]
    )
