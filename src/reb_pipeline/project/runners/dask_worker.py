"""Execution of one node on a worker of a Dask cluster."""

import multiprocessing
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reb_pipeline.core.errors import InputError, input_error_behind

if TYPE_CHECKING:
    from kedro.io import AbstractDataset
    from kedro.pipeline.node import Node


@dataclass(frozen=True)
class NodeReport:
    """Report of the execution of a node.

    Attributes:
        worker: Address of the worker.
        error: Error in one line; empty if the node finished.
        traceback: Traceback of an error, unless the user can correct it.
        lost_worker: True if the worker was lost at each attempt, so that only Dask reports.
    """

    worker: str
    error: str = ""
    traceback: str = ""
    lost_worker: bool = False


def run_node(
    node: "Node",
    datasets: "dict[str, AbstractDataset]",
    run_id: str | None,
    package_name: str | None,
    is_async: bool,
) -> NodeReport:
    """Load the inputs of a node, run it with all hooks of the project, and save its outputs.

    Errors are returned, not raised: many exceptions cannot be sent to another process.

    Args:
        node: The node.
        datasets: Its inputs, outputs and parameters.
        run_id: Id of the run.
        package_name: Package of the project.
        is_async: True to load and save in threads.
    """
    from distributed import get_worker
    from kedro.framework.hooks import _create_hook_manager
    from kedro.framework.hooks.manager import _register_hooks, _register_hooks_entry_points
    from kedro.framework.project import settings
    from kedro.io import DataCatalog
    from kedro.runner.task import Task

    worker = get_worker().address
    # Fine-tuning starts processes, which a daemon process may not do.
    multiprocessing.current_process().daemon = False
    try:
        configure(package_name)
        hooks = _create_hook_manager()
        _register_hooks(hooks, settings.HOOKS)
        _register_hooks_entry_points(hooks, settings.DISABLE_HOOKS_FOR_PLUGINS)
        Task(node, DataCatalog(datasets), is_async, hooks, run_id).execute()
    except Exception as error:
        return failure(worker, error)
    return NodeReport(worker)


def configure(package_name: str | None) -> None:
    """Configure this process for the project of the run; the project's settings register hooks and atomic files."""
    from kedro.framework import project

    if package_name and package_name != project.PACKAGE_NAME:
        project.configure_project(package_name)


def failure(worker: str, error: BaseException) -> NodeReport:
    """Create the report of an exception."""
    cause = input_error_behind(error)
    if cause is not None:
        return NodeReport(worker, str(cause))
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return NodeReport(worker, text, "".join(traceback.format_exception(error)))


def unusable_inputs(
    datasets: "dict[str, AbstractDataset]", package_name: str | None
) -> dict[str, str]:
    """List the inputs that this worker cannot load, with the reasons."""
    configure(package_name)
    return {name: reason for name, dataset in datasets.items() if (reason := _reason(dataset))}


def _reason(dataset: Any) -> str:
    if hasattr(dataset, "check"):  # raw images describe the problem with their folder
        try:
            dataset.check()
        except InputError as error:
            return str(error)
        return ""
    return "" if dataset.exists() else "it is not there"
