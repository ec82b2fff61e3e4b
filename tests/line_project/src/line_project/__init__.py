"""Kedro project of somebody else, which mounts pipelines of reb_pipeline."""
