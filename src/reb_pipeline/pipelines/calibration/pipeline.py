"""DAG of the calibration pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.calibration.nodes import calibrate, search_calibration_images
from reb_pipeline.pipelines.namespaces import CATEGORY, COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: held_out_patches or a folder -> calibration_patches -> calibration, calibration_figure."""
    template = Pipeline(
        [
            Node(
                search_calibration_images,
                [
                    "samples",
                    "backbone",
                    "detector",
                    "held_out_patches",
                    "params:features",
                    "params:calibration",
                    COMPUTE,
                    CATEGORY,
                ],
                "calibration_patches",
                name="search_calibration_images",
                tags=GPU,
            ),
            Node(
                calibrate,
                [
                    "calibration_patches",
                    "held_out_patches",
                    "detector",
                    "params:features",
                    "params:scoring",
                    "params:calibration",
                    CATEGORY,
                ],
                ["calibration", "calibration_figure"],
                name="calibrate",
            ),
        ]
    )
    return per_category("calibration", template)
