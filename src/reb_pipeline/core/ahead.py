"""Work on items that come later, while the present one is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    executor: Executor, work: Callable[[T], R], items: Iterable[T], n_ahead: int = 2
) -> Iterator[R]:
    """Apply a function to items in an executor, a few of them before their results are asked for.

    Args:
        executor: Executor of the calls.
        work: The function.
        items: The items; they are taken in this thread, and at most ``n_ahead`` further than the results.
        n_ahead: Number of results that may wait.

    Yields:
        The results, in the order of the items.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(1) as executor:
        ...     list(ahead(executor, abs, [1, -2, 3]))
        [1, 2, 3]
    """
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(executor.submit(work, item))
        if len(waiting) > n_ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
