"""Kedro runner for several machines."""

from typing import TYPE_CHECKING
from uuid import uuid4

from kedro.framework import project
from kedro.io.core import is_parameter
from kedro.runner import AbstractRunner

from reb_pipeline.core.errors import InputError
from reb_pipeline.pipelines.namespaces import GPU
from reb_pipeline.project.runners.dask_cluster import check_distributed, connect, read_settings
from reb_pipeline.project.runners.dask_worker import NodeReport, failure, run_node, unusable_inputs
from reb_pipeline.project.runners.versions import keep_to_one_version

if TYPE_CHECKING:
    from distributed import Client, Future
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from pluggy import PluginManager


class NodeFailedError(InputError):
    """Failure of a node on a worker; the message names the node, the reason, and the command to continue."""


class DaskRunner(AbstractRunner):
    """Runs nodes on the workers of a Dask cluster, each as soon as the nodes that it depends on have finished.

    Data pass only through the catalog. A node is submitted to Dask when all its inputs are saved. So a lost worker
    costs only the nodes that it was running; finished nodes are kept. Dask repeats the lost nodes on other workers, at
    most three times; then they run once more, each alone. If a node fails, nodes that do not depend on it still run.
    Nodes with the tag ``gpu`` run on workers that offer the resource ``GPU``, if there are any.

    Args:
        address: See :class:`reb_pipeline.project.runners.dask_cluster.DaskSettings`; None for the value in
        ``dask.yml``.
        n_workers: See ``address``.
        threads_per_worker: See ``address``.
        is_async: True to load and save in threads.

    Raises:
        InputError: If Dask is not installed.
    """

    def __init__(
        self,
        address: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        is_async: bool = False,
    ) -> None:
        check_distributed()
        super().__init__(is_async=is_async)
        given = {
            "address": address, "n_workers": n_workers, "threads_per_worker": threads_per_worker
        }  # fmt: skip
        self._given = {name: value for name, value in given.items() if value is not None}

    def _get_executor(self, max_workers: int) -> None:
        """Return None: nodes do not run in an executor of this process."""

    def _run(
        self,
        pipeline: "Pipeline",
        catalog: "CatalogProtocol",
        hook_manager: "PluginManager | None" = None,
        run_id: str | None = None,
    ) -> None:
        """Run all nodes.

        Raises:
            NodeFailedError: If nodes failed; all others that could run have finished.
            InputError: If workers could not load or save a dataset, or the cluster cannot be used.
        """
        settings = read_settings(self._given)
        _check_storage(pipeline, catalog)
        keep_to_one_version(pipeline, catalog)
        with connect(settings) as client:
            if settings.address:
                _check_inputs(client, pipeline, catalog)
            failures = self._run_nodes(client, pipeline, catalog, run_id)
        if failures:
            raise NodeFailedError(_what_failed(failures, run_id))

    def _run_nodes(
        self, client: "Client", pipeline: "Pipeline", catalog: "CatalogProtocol", run_id: str | None
    ) -> "dict[str, NodeReport]":
        """Submit nodes when they are ready, and return the reports of failed nodes by name.

        Nodes of a lost worker run again, one at a time.
        """
        from distributed import as_completed

        waiting = {node: set(pipeline.node_dependencies[node]) for node in pipeline.nodes}
        total, done = len(waiting), 0
        offers_gpu = self._offers_gpu(client, pipeline)
        running, nodes = as_completed(), {}
        failures: dict[str, NodeReport] = {}
        suspects, alone = [], set()

        def submit(node: "Node") -> None:
            future = self._submit(client, node, catalog, run_id, offers_gpu)
            nodes[future.key] = node
            running.add(future)

        def submit_ready() -> None:
            for node in [node for node, missing in waiting.items() if not missing]:
                del waiting[node]
                submit(node)

        submit_ready()
        for future in running:
            node, report = nodes.pop(future.key), _report(future)
            if report.lost_worker and node not in alone:
                suspects.append(node)
            elif report.error:
                failures[node.name] = report
                self._logger.error(
                    "Node %s failed on %s: %s\n%s",
                    node.name, report.worker, report.error, report.traceback,
                )  # fmt: skip
            else:
                done += 1
                self._logger.info("Completed %d of %d: %s", done, total, node.name)
                for missing in waiting.values():
                    missing.discard(node)
                submit_ready()
            if suspects and running.is_empty():
                # Dask reports all nodes of a lost worker. A node that runs alone shows if it is the cause.
                alone.add(suspect := suspects.pop(0))
                submit(suspect)
        return failures

    def _submit(
        self,
        client: "Client",
        node: "Node",
        catalog: "CatalogProtocol",
        run_id: str | None,
        offers_gpu: bool,
    ) -> "Future":
        # Only the datasets of the node. A catalog kept on the workers could get lost with one of them.
        datasets = {name: catalog[name] for name in {*node.inputs, *node.outputs}}
        return client.submit(
            run_node,
            node,
            datasets,
            run_id,
            project.PACKAGE_NAME,
            self._is_async,
            key=f"{node.name}-{uuid4().hex}",  # what Dask's dashboard shows
            pure=False,
            resources={"GPU": 1} if offers_gpu and GPU in node.tags else None,
        )

    def _offers_gpu(self, client: "Client", pipeline: "Pipeline") -> bool:
        workers = client.scheduler_info()["workers"].values()
        offered = any(worker["resources"].get("GPU") for worker in workers)
        if not offered and any(GPU in node.tags for node in pipeline.nodes):
            self._logger.info("No worker offers the resource GPU: any worker runs any node.")
        return offered


def _check_storage(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    in_memory = sorted(name for name in pipeline.all_outputs() if catalog[name]._EPHEMERAL)
    if in_memory:
        msg = (
            f"The datasets {in_memory} would live in the memory of one worker, where no other finds them: add an entry "
            f"to the catalog for each."
        )
        raise InputError(msg)
    bound = sorted(
        name for name in pipeline.datasets() if getattr(catalog[name], "_SINGLE_PROCESS", False)
    )
    if bound:
        msg = (
            f"The datasets {bound} work in one process only: give them another type in the catalog."
        )
        raise InputError(msg)


def _check_inputs(client: "Client", pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Check that every worker can load the inputs that no node makes."""
    inputs = {name: catalog[name] for name in sorted(pipeline.inputs()) if not is_parameter(name)}
    by_worker = client.run(unusable_inputs, inputs, project.PACKAGE_NAME)
    for worker, unusable in sorted(by_worker.items()):
        for name, reason in unusable.items():
            msg = (
                f"Worker {worker} cannot load {name!r} ({reason.rstrip('.')}): give all workers the same folder, or "
                f"keep the data in an object storage."
            )
            raise InputError(msg)


def _report(future: "Future") -> NodeReport:
    """Get the report of the worker, or create one from the error of Dask."""
    from distributed import KilledWorker

    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, KilledWorker):
        lost = f"its worker was lost {error.allowed_failures + 1} times, most likely for want of memory"
        return NodeReport(error.last_worker.address, lost, lost_worker=True)
    return failure("unknown", error)


def _what_failed(failures: "dict[str, NodeReport]", run_id: str | None) -> str:
    name, report = next(iter(failures.items()))
    others = sorted(failures.keys() - {name})
    also = f"; so did {', '.join(others)}" if others else ""
    again = f"KEDRO_RUN_ID={run_id} and " if run_id else ""
    return (
        f"Node {name!r} failed on worker {report.worker}{also} ({report.error.rstrip('.')}): remove the cause and "
        f"repeat the command with {again}--only-missing-outputs, which keeps all that is done."
    )
