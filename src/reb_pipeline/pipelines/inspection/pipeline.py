"""DAG of the inspection pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.inspection.nodes import inspect_new_images
from reb_pipeline.pipelines.namespaces import per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: packaged_model and a folder of new images -> inspections, inspection_report."""
    template = Pipeline(
        [
            Node(
                inspect_new_images,
                ["packaged_model", "inspection_files", "params:inspection"],
                ["inspections", "inspection_report"],
                name="inspect_new_images",
            )
        ]
    )
    return per_category("inspection", template)
