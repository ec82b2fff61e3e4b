"""DAG of all studies."""

from kedro.pipeline import Pipeline

from reb_pipeline.pipelines import (
    studies_alpha,
    studies_arms,
    studies_coreset,
    studies_detectors,
    studies_few_shot,
    studies_neighbors,
    studies_paradigms,
    studies_representations,
    studies_selection,
)


def create_pipeline() -> Pipeline:
    """Every study, each with its table and figure."""
    studies = [
        studies_arms, studies_representations, studies_detectors, studies_few_shot,
        studies_coreset, studies_neighbors, studies_alpha, studies_paradigms, studies_selection,
    ]  # fmt: skip
    return Pipeline([study.create_pipeline() for study in studies])
