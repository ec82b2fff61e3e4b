"""Dask cluster of a run: a local cluster of the run, or an existing one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from kedro.config import MissingConfigException
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from reb_pipeline.core.errors import InputError, check_known
from reb_pipeline.core.installing import install_command
from reb_pipeline.parameters import loader as config_loader

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 30
# Libraries read these at import, so they must be set before a worker starts.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Setting of Dask: workers return memory at each free, and page faults then dominate the time of large arrays.
MALLOC_TRIMS = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"


class DaskSettings(BaseModel):
    """Settings in the file ``dask.yml`` of an environment.

    Attributes:
        address: Address of the scheduler of a cluster, such as ``tcp://10.0.0.1:8786``; None for a local cluster of the
        run.
        n_workers: Processes of the local cluster.
        threads_per_worker: Nodes that each process runs at the same time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = None
    n_workers: PositiveInt = 2
    threads_per_worker: PositiveInt = 1


def read_settings(given: dict[str, Any]) -> DaskSettings:
    """Read ``dask.yml`` of the active environment.

    Args:
        given: Values that override the file, such as those of ``--runner-params``.

    Raises:
        InputError: If a name is unknown or a value cannot be used.
    """
    values = {**_of_environment(), **given}
    check_known(values, list(DaskSettings.model_fields), "Setting of dask.yml")
    try:
        return DaskSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{first['loc'][0]}={first['input']!r} of the Dask cluster cannot be used: {first['msg']}."
        raise InputError(msg) from None


def _of_environment() -> dict[str, Any]:
    loader = config_loader._active
    if loader is None:
        return {}
    loader.config_patterns["dask"] = ["dask.yml"]
    try:
        return dict(loader["dask"])
    except MissingConfigException:
        return {}


def check_distributed() -> None:
    """Check that Dask is installed.

    Raises:
        InputError: If it is not installed.
    """
    if find_spec("distributed") is None:
        command = install_command("dask")
        msg = f"DaskRunner needs the package distributed, which is not installed: run `{command}`."
        raise InputError(msg)


@contextmanager
def connect(settings: DaskSettings) -> "Iterator[Client]":
    """Open a client; afterwards close it, and the cluster if it is the local one of the run.

    Raises:
        InputError: If the scheduler does not answer, or no worker joins it.
    """
    import dask
    from distributed import Client, LocalCluster

    # The runner logs the progress of nodes itself.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if settings.address is None:
        with (
            dask.config.set({MALLOC_TRIMS: None}),
            LocalCluster(
                n_workers=settings.n_workers,
                threads_per_worker=settings.threads_per_worker,
                memory_limit=0,  # no limit per worker, as without a cluster
                # Only of this machine, for it has no password; any free port, since other clusters may run here too.
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
                env=_worker_environment(settings),
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
    else:
        with _client_of(settings.address) as client:
            yield client


def _worker_environment(settings: DaskSettings) -> dict[str, str]:
    """Set environment variables of workers: divide the cores, and hide progress bars, which would overlap."""
    from dask.system import CPU_COUNT

    at_a_time = settings.n_workers * settings.threads_per_worker
    threads = str(max(1, CPU_COUNT // at_a_time))
    return {**dict.fromkeys(THREAD_VARIABLES, threads), "TQDM_DISABLE": "1"}


def _client_of(address: str) -> "Client":
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        msg = (
            f"The Dask scheduler {address!r} does not answer ({' '.join(str(error).split())}): start it with "
            f"`dask scheduler`, or correct `address` in dask.yml or --runner-params."
        )
        raise InputError(msg) from None
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError:
        client.close()
        msg = f"The Dask scheduler {address!r} has no workers: start some with `dask worker {address}`."
        raise InputError(msg) from None
    return client
