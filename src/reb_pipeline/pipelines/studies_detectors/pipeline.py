"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_detectors.nodes import draw_detectors


def create_pipeline() -> Pipeline:
    """raw_images -> study_detectors_cells -> study_detectors_table -> study_detectors_figure."""
    return study_pipeline("detectors", draw_detectors)
