"""DAG of all studies, and of each study."""

from collections.abc import Callable
from functools import partial

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines.studies.alpha import draw_alpha
from reb_pipeline.pipelines.studies.arms import draw_arms
from reb_pipeline.pipelines.studies.coreset import draw_coreset
from reb_pipeline.pipelines.studies.defaults import draw_defaults
from reb_pipeline.pipelines.studies.detectors import draw_detectors
from reb_pipeline.pipelines.studies.features import draw_features
from reb_pipeline.pipelines.studies.few_shot import draw_few_shot
from reb_pipeline.pipelines.studies.light import draw_light
from reb_pipeline.pipelines.studies.logical import draw_logical
from reb_pipeline.pipelines.studies.neighbors import draw_neighbors
from reb_pipeline.pipelines.studies.nodes import measure_composed, measure_light
from reb_pipeline.pipelines.studies.paradigms import draw_paradigms
from reb_pipeline.pipelines.studies.representations import draw_representations
from reb_pipeline.pipelines.studies.selection import selection_pipeline
from reb_pipeline.pipelines.studies.template import study_pipeline

# Studies by name; the pipeline of a study is studies_<name>.
STUDIES: dict[str, Callable[[], Pipeline]] = {
    "arms": partial(study_pipeline, "arms", draw_arms),
    "representations": partial(study_pipeline, "representations", draw_representations),
    "detectors": partial(study_pipeline, "detectors", draw_detectors),
    "few_shot": partial(study_pipeline, "few_shot", draw_few_shot),
    "coreset": partial(study_pipeline, "coreset", draw_coreset),
    "neighbors": partial(study_pipeline, "neighbors", draw_neighbors),
    "alpha": partial(study_pipeline, "alpha", draw_alpha),
    "defaults": partial(study_pipeline, "defaults", draw_defaults),
    "features": partial(study_pipeline, "features", draw_features),
    "logical": partial(study_pipeline, "logical", draw_logical, measure_composed),
    "light": partial(study_pipeline, "light", draw_light, measure_light),
    "paradigms": partial(study_pipeline, "paradigms", draw_paradigms),
    "selection": selection_pipeline,
}


def create_pipeline() -> Pipeline:
    """Create the pipeline of all studies, each with its table and figure."""
    return Pipeline([create() for create in STUDIES.values()])
