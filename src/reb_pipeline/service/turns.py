"""Queue of requests: a limited number of places, and threads that inspect in turn."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

from starlette.exceptions import HTTPException

from reb_pipeline.service.metrics import Metrics

T = TypeVar("T")


class Turns:
    """Limited number of requests in front of a few threads that inspect.

    Args:
        workers: Number of threads.
        queue: Number of requests that may wait, besides those that are being inspected.
        metrics: Metrics of taken places, waiting requests and times.
    """

    def __init__(self, workers: int, queue: int, metrics: Metrics) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inspection")
        self._places = workers + queue
        self._taken = 0  # changed only by the thread of the event loop
        self._metrics = metrics
        metrics.places_taken.set_function(lambda: self._taken)
        self.stopping = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place, taken before the body of the request is read.

        Raises:
            HTTPException: 429 if all places are taken, 503 if the service is stopping.
        """
        if self.stopping:
            raise HTTPException(503, "The service is stopping.")
        if self._taken >= self._places:
            raise HTTPException(
                429,
                f"All {self._places} places of the service are taken: try again later.",
                headers={"Retry-After": "1"},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread, in turn, and return its result."""
        asked = perf_counter()

        def timed() -> T:
            began = perf_counter()
            self._metrics.queue_depth.dec()
            self._metrics.queue_seconds.observe(began - asked)
            try:
                return work()
            finally:
                self._metrics.inspection_seconds.observe(perf_counter() - began)

        self._metrics.queue_depth.inc()
        return await asyncio.get_running_loop().run_in_executor(self._pool, timed)

    def close(self) -> None:
        """Wait for running work, and drop work that nobody waits for."""
        self.stopping = True
        self._pool.shutdown(cancel_futures=True)
