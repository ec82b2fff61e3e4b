"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_alpha.nodes import draw_alpha


def create_pipeline() -> Pipeline:
    """raw_images -> study_alpha_cells -> study_alpha_table -> study_alpha_figure."""
    return study_pipeline("alpha", draw_alpha)
