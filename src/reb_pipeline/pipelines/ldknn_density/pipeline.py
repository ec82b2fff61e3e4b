"""DAG of the local density pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.ldknn_density.nodes import (
    fit_detector,
    measure_local_density,
    search_held_out_images,
    search_own_images,
)
from reb_pipeline.pipelines.namespaces import COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: memory_bank, coreset, good images -> local_density, own_ and held_out_patches, detector."""
    template = Pipeline(
        [
            Node(
                measure_local_density,
                ["memory_bank", "coreset", "params:scoring", COMPUTE],
                "local_density",
                name="measure_local_density",
                tags=GPU,
            ),
            Node(
                search_held_out_images,
                [
                    "samples",
                    "raw_images",
                    "backbone",
                    "memory_bank",
                    "coreset",
                    "params:features",
                    "params:scoring",
                    COMPUTE,
                ],
                "held_out_patches",
                name="search_held_out_images",
                tags=GPU,
            ),
            Node(
                search_own_images,
                ["memory_bank", "coreset", "params:scoring", COMPUTE],
                "own_patches",
                name="search_own_images",
                tags=GPU,
            ),
            Node(
                fit_detector,
                ["memory_bank", "coreset", "local_density", "own_patches", "params:scoring"],
                "detector",
                name="fit_detector",
            ),
        ]
    )
    return per_category("ldknn_density", template)
