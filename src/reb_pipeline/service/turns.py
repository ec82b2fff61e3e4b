"""Who may come in, and whose turn it is."""

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
    """A bounded number of requests before a few threads that inspect.

    Args:
        workers: Threads.
        queue: Requests that may wait beside those whose turn it is.
        metrics: Told of the places taken, of those that wait, and of the times.
    """

    def __init__(self, workers: int, queue: int, metrics: Metrics) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inspection")
        self._places = workers + queue
        self._taken = 0  # by the event loop's thread alone
        self._metrics = metrics
        metrics.places_taken.set_function(lambda: self._taken)
        self.stopping = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place, taken before anything of the request's body is read.

        Raises:
            HTTPException: 429 where all places are taken, 503 where the service stops.
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
        """The result of ``work``, called in a thread when its turn has come."""
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
        """Wait for what runs, and drop what nobody waits for any more."""
        self.stopping = True
        self._pool.shutdown(cancel_futures=True)
