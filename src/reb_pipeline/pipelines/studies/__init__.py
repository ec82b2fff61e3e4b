"""Studies: tables and figures of the paper on any data set."""

from reb_pipeline.pipelines.studies.pipeline import STUDIES, create_pipeline

__all__ = ["STUDIES", "create_pipeline"]
