"""DAG of the detection packaging pipeline."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines import packaging


def create_pipeline() -> Pipeline:
    """Create the pipeline: all trained parts, detection_detector, detection_calibration -> packaged_model."""
    names = "detection_packaging", "detection_detector", "detection_calibration"
    return packaging.create_pipeline(*names)
