"""DAG of the defect synthesis pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.defect_synthesis.nodes import (
    draw_gallery,
    estimate_saliency,
    synthesize_defects,
)
from reb_pipeline.pipelines.namespaces import per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images -> saliency -> synthetic_defects, defect_gallery."""
    good_images = [
        "samples",
        "raw_images",
        "saliency",
        "params:features",
        "params:defect_synthesis",
    ]
    template = Pipeline(
        [
            Node(
                estimate_saliency,
                ["samples", "raw_images", "params:defect_synthesis"],
                "saliency",
                name="estimate_saliency",
            ),
            Node(synthesize_defects, good_images, "synthetic_defects", name="synthesize_defects"),
            Node(draw_gallery, good_images, "defect_gallery", name="draw_gallery"),
        ]
    )
    return per_category("defect_synthesis", template)
