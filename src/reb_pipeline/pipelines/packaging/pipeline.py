"""DAG of the packaging pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.namespaces import COMPUTE, per_category
from reb_pipeline.pipelines.packaging.nodes import check_package, package_model


def create_pipeline(
    name: str = "packaging", detector: str = "detector", calibration: str = "calibration"
) -> Pipeline:
    """Create the pipeline: all trained parts -> packaged_model -> package_parity.

    Args:
        name: Name of the pipeline.
        detector: Dataset of the fitted detector.
        calibration: Dataset of its calibration.
    """
    trained = ["samples", "raw_images", "backbone", detector, calibration, "params:features"]
    template = Pipeline(
        [
            Node(
                package_model,
                [*trained, "params:scoring", "params:packaging", COMPUTE],
                "packaged_model",
                name="package_model",
            ),
            Node(
                check_package,
                ["packaged_model", *trained, COMPUTE],
                "package_parity",
                name="check_package",
            ),
        ]
    )
    return per_category(name, template)
