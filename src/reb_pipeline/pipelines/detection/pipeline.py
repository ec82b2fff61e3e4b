"""DAG of the detection pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.detection.nodes import compute_metrics, detect_images
from reb_pipeline.pipelines.namespaces import COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images, backbone -> one detector, its scores, maps, calibration -> metrics."""
    template = Pipeline(
        [
            Node(
                detect_images,
                [
                    "samples",
                    "raw_images",
                    "backbone",
                    "params:features",
                    "params:memory_bank",
                    "params:scoring",
                    "params:feature_reconstruction",
                    "params:pixel_reconstruction",
                    "params:calibration",
                    COMPUTE,
                ],
                [
                    "detection_scores",
                    "detection_maps",
                    "detection_calibration",
                    "detection_detector",
                ],
                name="detect_images",
                tags=GPU,
            ),
            Node(
                compute_metrics,
                [
                    "detection_scores",
                    "raw_images",
                    "detection_maps",
                    "detection_calibration",
                    "params:evaluation",
                ],
                "detection_metrics",
                name="compute_detection_metrics",
            ),
        ]
    )
    return per_category("detection", template, outputs=["detection_metrics"])
