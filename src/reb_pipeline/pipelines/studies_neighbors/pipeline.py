"""DAG of the study."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.template import study_pipeline
from reb_pipeline.pipelines.studies_neighbors.nodes import draw_neighbors


def create_pipeline() -> Pipeline:
    """raw_images -> study_neighbors_cells -> study_neighbors_table -> study_neighbors_figure."""
    return study_pipeline("neighbors", draw_neighbors)
