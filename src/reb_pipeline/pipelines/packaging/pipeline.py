"""DAG of the packaging pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.namespaces import COMPUTE, per_category
from reb_pipeline.pipelines.packaging.nodes import check_package, package_model

TRAINED = [
    "samples",
    "raw_images",
    "backbone",
    "detector",
    "calibration",
    "params:features",
]


def create_pipeline() -> Pipeline:
    """Create the pipeline: all trained parts -> packaged_model -> package_parity."""
    template = Pipeline(
        [
            Node(
                package_model,
                [*TRAINED, "params:scoring", "params:packaging", COMPUTE],
                "packaged_model",
                name="package_model",
            ),
            Node(
                check_package,
                ["packaged_model", *TRAINED, COMPUTE],
                "package_parity",
                name="check_package",
            ),
        ]
    )
    return per_category("packaging", template)
