"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_representations.nodes import draw_representations


def create_pipeline() -> Pipeline:
    """raw_images -> study_representations_cells -> study_representations_table -> study_representations_figure."""
    return study_pipeline("representations", draw_representations)
