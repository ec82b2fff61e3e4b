"""Kedro session of the project."""

import logging
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.framework.session import KedroSession
from kedro.io import Version
from kedro.io.core import VERSION_FORMAT, generate_timestamp

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.registry import DEFAULT, Registry, pipeline_names
from reb_pipeline.project.hooks import MANIFEST
from reb_pipeline.project.runners.versions import keep_to_one_version

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

RUN_ID = "KEDRO_RUN_ID"  # environment variable; sessions with the same value are parts of one run


class ProjectSession(KedroSession):
    """Kedro session that checks names of pipelines and categories, with errors in one sentence.

    With the environment variable ``KEDRO_RUN_ID`` the session is a part of the run of that id. It saves under that
    version, loads that version of outputs of other parts, and replaces outputs of its own earlier attempts.

    Raises:
        InputError: If ``KEDRO_RUN_ID`` is not a valid version of Kedro.
    """

    def __init__(self, session_id: str, *args: Any, **kwargs: Any) -> None:
        run_id = os.environ.get(RUN_ID)
        if run_id:
            _check_version(run_id)
            logger.info("This is a part of run %s.", run_id)
        super().__init__(run_id or session_id, *args, **kwargs)
        if run_id:
            self._hook_manager.register(PartHooks())

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run pipelines like Kedro's session, after a check of all names.

        Raises:
            InputError: If a pipeline, category, namespace or node does not exist.
        """
        self._get_config_loader()  # activates the list of categories of the environment
        check_known(kwargs.get("pipeline_names") or [], pipeline_names(), "Pipeline")
        namespaces = [name.split(".")[0] for name in kwargs.get("namespaces") or []]
        check_known(namespaces, categories(), "Category")
        _check_parts(**kwargs)
        return super().run(*args, **kwargs)


class PartHooks:
    """Hooks of a session that is a part of a run."""

    @hook_impl
    def before_pipeline_run(self, pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
        """Pin the versions of the run; only the manifest gets its own version, because every part saves one."""
        keep_to_one_version(pipeline, catalog)
        catalog[MANIFEST]._version = Version(None, generate_timestamp())


def _check_parts(**run: Any) -> None:
    """Check that the selected namespaces and nodes exist in the pipelines of a run."""
    namespaces = run.get("namespaces") or []
    nodes = [
        name
        for option in ("from_nodes", "to_nodes", "node_names")
        for name in run.get(option) or []
    ]
    if not namespaces and not nodes:
        return
    registry = Registry()
    there = [
        node for name in run.get("pipeline_names") or [DEFAULT] for node in registry[name].nodes
    ]
    boxes = {node.namespace for node in there if node.namespace}
    check_known(namespaces, sorted(boxes | {box.split(".")[0] for box in boxes}), "Namespace")
    check_known(nodes, [node.name for node in there], "Node")


def _check_version(run_id: str) -> None:
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
