"""Kedro project settings."""

import sys

from reb_pipeline.config_loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.datasets import atomic
from reb_pipeline.errors import print_input_error
from reb_pipeline.hooks import ManifestHooks, PreflightHooks, SummaryHooks
from reb_pipeline.session import ProjectSession

atomic.register()
sys.excepthook = print_input_error

# Kedro calls the last one first: a run that cannot work is refused before anything else happens.
HOOKS = (ManifestHooks(), SummaryHooks(), PreflightHooks())
SESSION_CLASS = ProjectSession
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
