"""DAG of the logical set pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.logical_set.nodes import compose_images, draw_composed
from reb_pipeline.pipelines.namespaces import CATEGORY, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images -> logical_set -> logical_gallery."""
    template = Pipeline(
        [
            Node(
                compose_images,
                ["samples", "raw_images", "params:defect_synthesis", "params:logical_set"],
                "logical_set",
                name="compose_images",
            ),
            Node(draw_composed, ["logical_set", CATEGORY], "logical_gallery", name="draw_composed"),
        ]
    )
    return per_category("logical_set", template)
