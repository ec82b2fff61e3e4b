"""Kedro project settings."""

import sys

from reb_pipeline.core import atomic
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.project.console import log_as_in_the_project
from reb_pipeline.project.hooks import ManifestHooks, PreflightHooks, SummaryHooks
from reb_pipeline.project.session import ProjectSession

atomic.register()
log_as_in_the_project()
sys.excepthook = print_input_error

# Kedro calls the last hook first: a run that cannot work is refused before other hooks run.
HOOKS = (ManifestHooks(), SummaryHooks(), PreflightHooks())
SESSION_CLASS = ProjectSession
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
