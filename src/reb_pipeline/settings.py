"""Kedro project settings."""

from reb_pipeline.config_loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.datasets import atomic
from reb_pipeline.hooks import ManifestHooks, PreflightHooks, SummaryHooks

atomic.register()

HOOKS = (PreflightHooks(), SummaryHooks(), ManifestHooks())
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
