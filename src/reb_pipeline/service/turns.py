"""Queue of requests: a limited number of places, and threads that inspect in turn."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from reb_pipeline.service.metrics import Metrics

T = TypeVar("T")

POLL_SECONDS = 0.2  # between looks whether the client is still there
CLIENT_HUNG_UP = 499  # as in the logs of nginx


class Turns:
    """Limited number of requests in front of a few threads that inspect.

    Args:
        workers: Number of threads.
        queue: Number of requests that may wait, besides those that are being inspected.
        metrics: Metrics of taken places, waiting requests and times.
    """

    def __init__(self, workers: int, queue: int, metrics: Metrics) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inspection")
        self._beside = [ThreadPoolExecutor(1, thread_name_prefix="beside") for _ in range(workers)]
        self._free = list(self._beside)  # changed only by the thread of the event loop
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

    @contextmanager
    def beside(self) -> Iterator[Executor | None]:
        """Lend a thread beside those that inspect, for work that needs no turn; None if there is no free one."""
        thread = self._free.pop() if self._free else None
        try:
            yield thread
        finally:
            if thread:
                self._free.append(thread)

    async def run(self, work: Callable[[threading.Event], T]) -> T:
        """Run ``work`` in a thread, in turn, and return its result.

        Args:
            work: Its argument is set once nobody waits for the result any more; it need not go on then.
        """
        asked = perf_counter()
        unwanted = threading.Event()

        def timed() -> T:
            began = perf_counter()
            self._metrics.queue_depth.dec()
            self._metrics.queue_seconds.observe(began - asked)
            try:
                return work(unwanted)
            finally:
                self._metrics.inspection_seconds.observe(perf_counter() - began)

        self._metrics.queue_depth.inc()
        future = self._pool.submit(timed)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            unwanted.set()
            if future.cancel():  # its turn had not come
                self._metrics.queue_depth.dec()
            raise

    def close(self) -> None:
        """Wait for running work, and drop work that nobody waits for."""
        self.stopping = True
        for pool in (self._pool, *self._beside):
            pool.shutdown(cancel_futures=True)


async def while_wanted(request: Request, work: Awaitable[T], seconds: float) -> T:
    """Wait for ``work``; cancel it if the client hangs up or the time is over.

    Args:
        request: The request; its body has been read.
        work: Work for its answer.
        seconds: Longest time.

    Raises:
        HTTPException: 499 if the client hung up, which only the log shows; 503 if the time is over.
    """
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(seconds) as limit:
            while not (await asyncio.wait({task}, timeout=POLL_SECONDS))[0]:
                if await request.is_disconnected():
                    raise HTTPException(CLIENT_HUNG_UP, "The client hung up.")
            return task.result()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise HTTPException(
            503,
            f"The request was not answered within {seconds:g} s: send fewer or smaller images, or try again later.",
            headers={"Retry-After": "1"},
        ) from error
    finally:
        task.cancel()
