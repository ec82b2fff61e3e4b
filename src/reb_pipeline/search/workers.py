"""Threads that share the work of a search or a selection."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_one_at_a_time = threading.Lock()


def threads() -> int:
    """Number of threads that this process may use, as OpenMP counts them (``OMP_NUM_THREADS``)."""
    import faiss  # half a second to import

    n: int = faiss.omp_get_max_threads()
    return n


@contextmanager
def workers(n: int) -> Iterator[Executor]:
    """Open a pool of n threads, in which BLAS and FAISS use one thread each: switching between pools is slow."""
    import faiss  # half a second to import

    with (
        blas_on_one_thread(),
        ThreadPoolExecutor(n, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


@cache
def _pools() -> ThreadpoolController:
    """Find the thread pools of all libraries, once, because this takes longer than a small search."""
    return ThreadpoolController()


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Keep matrix products on the calling thread; one caller at a time, as the limit holds for the process."""
    with _one_at_a_time, _pools().limit(limits=1, user_api="blas"):
        yield
