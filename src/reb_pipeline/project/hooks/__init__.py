"""Hooks of a run.

- ``preflight``: checks before it;
- ``remaining``: how long it will take, and how long the rest of it;
- ``manifest``: the data needed to trace and reproduce its results;
- ``sessions``: parts of one run, and what else holds for sessions of any class;
- ``summary``: tables and paths at its end.
"""

from reb_pipeline.project.hooks.manifest import MANIFEST, RUN_ID, ManifestHooks
from reb_pipeline.project.hooks.preflight import PreflightHooks
from reb_pipeline.project.hooks.remaining import RemainingTimeHooks
from reb_pipeline.project.hooks.sessions import SessionHooks
from reb_pipeline.project.hooks.summary import METRICS, PATH, RUNS, STUDY, SummaryHooks

__all__ = [
    "MANIFEST",
    "METRICS",
    "PATH",
    "RUNS",
    "RUN_ID",
    "STUDY",
    "ManifestHooks",
    "PreflightHooks",
    "RemainingTimeHooks",
    "SessionHooks",
    "SummaryHooks",
]
