"""DAG of the calibration pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.calibration.nodes import (
    calibrate,
    leave_images_out,
    search_calibration_images,
)
from reb_pipeline.pipelines.namespaces import CATEGORY, COMPUTE, GPU, per_category


def create_pipeline(settings: str = "params:calibration") -> Pipeline:
    """Create the pipeline: held_out_patches or a folder -> calibration_patches -> calibration, calibration_figure.

    Where both give too few images: memory_bank -> left_out_calibration -> calibration.

    Args:
        settings: Parameters or dataset with the settings of the calibration.
    """
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
                    settings,
                    COMPUTE,
                    CATEGORY,
                ],
                "calibration_patches",
                name="search_calibration_images",
                tags=GPU,
            ),
            Node(
                leave_images_out,
                [
                    "samples",
                    "memory_bank",
                    "backbone",
                    "detector",
                    "held_out_patches",
                    "params:features",
                    settings,
                    COMPUTE,
                ],
                "left_out_calibration",
                name="leave_images_out",
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
                    settings,
                    CATEGORY,
                    "left_out_calibration",
                    "samples",
                ],
                ["calibration", "calibration_figure"],
                name="calibrate",
            ),
        ]
    )
    return per_category("calibration", template)
