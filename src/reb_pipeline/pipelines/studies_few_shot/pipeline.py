"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_few_shot.nodes import draw_few_shot


def create_pipeline() -> Pipeline:
    """raw_images -> study_few_shot_cells -> study_few_shot_table -> study_few_shot_figure."""
    return study_pipeline("few_shot", draw_few_shot)
