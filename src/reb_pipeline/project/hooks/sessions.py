"""Hooks for sessions of any class: one run of several parts, paths below the project, errors in a sentence."""

import logging
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, Version
from kedro.io.core import VERSION_FORMAT, generate_timestamp

from reb_pipeline.core.errors import InputError, print_input_error
from reb_pipeline.project.hooks.manifest import MANIFEST, RUN_ID
from reb_pipeline.project.runners.versions import keep_to_one_version

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)


class SessionHooks:
    """Hooks that make a session a part of the run that ``KEDRO_RUN_ID`` names, and prepare any session."""

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Check the id of the run, let paths begin at the project, and print errors of the input as a sentence.

        Raises:
            InputError: If ``KEDRO_RUN_ID`` is not a valid version of Kedro.
        """
        sys.excepthook = print_input_error  # the log's configuration may have set another one
        loader: Any = context.config_loader
        loader.project_path = context.project_path
        run_id = run_of_parts()
        if run_id:
            logger.info("This is a part of run %s.", run_id)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "CatalogProtocol"
    ) -> None:
        """Load and save all datasets under the run's version; the manifest alone gets a new one for each part."""
        run_id = run_of_parts()
        if not run_id:
            return
        run_params["run_id"] = run_id  # Kedro's sessions, other than the project's, have their own
        for name in pipeline.datasets():
            dataset: Any = catalog.get(name)  # None for what is in memory only
            if isinstance(dataset, AbstractVersionedDataset) and dataset._version:
                dataset._version = Version(dataset._version.load, run_id)
        keep_to_one_version(pipeline, catalog)
        catalog[MANIFEST]._version = Version(None, generate_timestamp())


def run_of_parts() -> str | None:
    """Get the id of the run whose parts the sessions of this process are; None if each is a run of its own.

    Raises:
        InputError: If ``KEDRO_RUN_ID`` is not a valid version of Kedro.
    """
    run_id = os.environ.get(RUN_ID)
    if not run_id:
        return None
    try:
        moment = datetime.strptime(run_id, VERSION_FORMAT)
    except ValueError:
        moment = None
    # Versions are compared as text, so all must have the same length.
    if moment is None or run_id != f"{moment.strftime(VERSION_FORMAT)[:-4]}Z":
        msg = (
            f"{RUN_ID}={run_id!r} is no version of Kedro's: give a moment such as {generate_timestamp()!r}, or "
            f"leave the variable unset."
        )
        raise InputError(msg)
    return run_id
