"""Progress bar."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
_leave = True  # a bar stays when it is full


@contextmanager
def short_lived_bars() -> Iterator[None]:
    """Remove each bar when it is full, where something else says that the work is done."""
    global _leave  # noqa: PLW0603  (bars are made deep in libraries)
    before, _leave = _leave, False
    try:
        yield
    finally:
        _leave = before


def progress(
    items: Iterable[T], description: str | None, total: int | None = None, initial: int = 0
) -> Iterable[T]:
    """Iterate over ``items`` with a progress bar that shows rate and remaining time.

    Args:
        items: The items.
        description: Text before the bar, e.g. ``"mono: patch features"``; None shows no bar.
        total: Number of items, if ``len(items)`` does not give it.
        initial: Number of items that were done before.

    Returns:
        The same items, in the same order.
    """
    # Without the argument, tqdm reads the environment variable TQDM_DISABLE.
    quiet: dict[str, Any] = {} if description else {"disable": True}
    return tqdm(
        items,
        desc=description,
        total=total,
        initial=initial,
        mininterval=1.0,
        dynamic_ncols=True,
        leave=_leave,
        **quiet,
    )
