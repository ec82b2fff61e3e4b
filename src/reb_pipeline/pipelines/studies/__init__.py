"""All studies: tables and figures of the paper on any data set."""

from reb_pipeline.pipelines.studies.pipeline import create_pipeline

__all__ = ["create_pipeline"]
