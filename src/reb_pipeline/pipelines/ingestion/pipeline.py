"""DAG of the ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.ingestion.nodes import audit_samples, index_samples, inspect_images
from reb_pipeline.pipelines.namespaces import per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: raw_images -> inventory -> audit, samples."""
    template = Pipeline(
        [
            Node(inspect_images, "raw_images", "inventory", name="inspect_images"),
            Node(audit_samples, ["inventory", "raw_images"], "audit", name="audit_samples"),
            # The audit runs first, so that it can be read if the samples are refused.
            Node(
                index_samples,
                ["inventory", "audit", "raw_images", "params:ingestion"],
                "samples",
                name="index_samples",
            ),
        ]
    )
    return per_category("ingestion", template)
