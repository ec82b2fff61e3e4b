"""DAG of the memory bank pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.memory_bank.nodes import (
    extract_patch_features,
    rank_suspects,
    select_coreset,
)
from reb_pipeline.pipelines.namespaces import CATEGORY, COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images, backbone -> memory_bank -> coreset -> suspects."""
    template = Pipeline(
        [
            Node(
                extract_patch_features,
                [
                    "samples",
                    "raw_images",
                    "backbone",
                    "params:features",
                    "params:memory_bank",
                    COMPUTE,
                ],
                "memory_bank",
                name="extract_patch_features",
                tags=GPU,
            ),
            Node(
                select_coreset,
                ["memory_bank", "params:memory_bank", COMPUTE],
                "coreset",
                name="select_coreset",
                tags=GPU,
            ),
            Node(
                rank_suspects,
                ["memory_bank", "coreset", COMPUTE, CATEGORY],
                "suspects",
                name="rank_suspects",
                tags=GPU,
            ),
        ]
    )
    return per_category("memory_bank", template)
