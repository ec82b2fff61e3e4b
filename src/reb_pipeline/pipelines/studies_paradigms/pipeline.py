"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_paradigms.nodes import draw_paradigms


def create_pipeline() -> Pipeline:
    """raw_images -> study_paradigms_cells -> study_paradigms_table -> study_paradigms_figure."""
    return study_pipeline("paradigms", draw_paradigms)
