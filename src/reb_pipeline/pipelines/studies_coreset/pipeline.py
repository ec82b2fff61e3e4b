"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_coreset.nodes import draw_coreset


def create_pipeline() -> Pipeline:
    """raw_images -> study_coreset_cells -> study_coreset_table -> study_coreset_figure."""
    return study_pipeline("coreset", draw_coreset)
