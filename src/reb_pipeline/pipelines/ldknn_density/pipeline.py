"""DAG of the local density pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.ldknn_density.nodes import measure_local_density, search_held_out_images
from reb_pipeline.pipelines.per_category import per_category


def create_pipeline() -> Pipeline:
    """memory_bank, coreset -> local_density; with held-out good samples -> held_out_patches."""
    template = Pipeline(
        [
            Node(
                measure_local_density,
                ["memory_bank", "coreset", "params:scoring"],
                "local_density",
                name="measure_local_density",
            ),
            Node(
                search_held_out_images,
                ["samples", "raw_images", "backbone", "memory_bank", "coreset", "params:features"],
                "held_out_patches",
                name="search_held_out_images",
            ),
        ]
    )
    return per_category(template, sections=["features", "scoring"])
