"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_arms.nodes import draw_arms


def create_pipeline() -> Pipeline:
    """raw_images -> study_arms_cells -> study_arms_table -> study_arms_figure."""
    return study_pipeline("arms", draw_arms)
