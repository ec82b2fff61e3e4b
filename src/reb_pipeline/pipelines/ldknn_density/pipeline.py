"""DAG of the local density pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.ldknn_density.nodes import measure_local_density
from reb_pipeline.pipelines.per_category import per_category


def create_pipeline() -> Pipeline:
    """memory_bank, coreset -> local_density."""
    template = Pipeline(
        [
            Node(
                measure_local_density,
                ["memory_bank", "coreset", "params:ldknn"],
                "local_density",
                name="measure_local_density",
            )
        ]
    )
    return per_category(template, sections=["ldknn"])
