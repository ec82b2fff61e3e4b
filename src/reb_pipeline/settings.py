"""Kedro project settings."""

import sys
from importlib.util import find_spec

from reb_pipeline.core import atomic
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.project.console import log_as_in_the_project
from reb_pipeline.project.hooks import (
    ManifestHooks,
    PreflightHooks,
    RemainingTimeHooks,
    SessionHooks,
    SummaryHooks,
)
from reb_pipeline.project.session import ProjectSession

atomic.register()
log_as_in_the_project()
sys.excepthook = print_input_error

# Kedro calls the last hook first: a run that cannot work is refused before other hooks run.
HOOKS: tuple[object, ...] = (
    RemainingTimeHooks(), ManifestHooks(), SummaryHooks(), PreflightHooks(), SessionHooks()
)  # fmt: skip
if find_spec("kedro_mlflow"):
    from reb_pipeline.project.tracked_runs import TrackingHooks

    HOOKS = (TrackingHooks(), *HOOKS)  # first, so that the manifest is complete when it is logged
# TrackingHooks are those of the plugin.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-mlflow", "kedro_mlflow")
SESSION_CLASS = ProjectSession
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
