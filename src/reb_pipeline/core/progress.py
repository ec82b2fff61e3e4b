"""Progress of long work: a bar in a terminal, a line from time to time in a log."""

import os
import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_SECONDS = 30.0  # between two lines of a log
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
    """Iterate over ``items``, and show how many are done, their rate and the remaining time on the error stream.

    Args:
        items: The items.
        description: Text before the numbers, e.g. ``"mono: patch features"``; None shows nothing.
        total: Number of items, if ``len(items)`` does not give it.
        initial: Number of items that were done before.

    Returns:
        The same items, in the same order.
    """
    if not description or os.environ.get("TQDM_DISABLE", "0") not in ("", "0"):
        return items
    if not sys.stderr.isatty():
        return _with_lines(items, description, total, initial)
    bar: Any = tqdm(
        items,
        desc=description,
        total=total,
        initial=initial,
        mininterval=1.0,
        dynamic_ncols=True,
        leave=_leave,
    )
    shown: Iterable[T] = bar
    return shown


def _with_lines(
    items: Iterable[T], description: str, total: int | None, initial: int
) -> Iterator[T]:
    """Write a line every :data:`LINE_SECONDS`: no log wants the hundreds of states of a bar, one over the other."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    began = written = monotonic()
    for done, item in enumerate(items, initial + 1):
        yield item
        now = monotonic()
        if now - written >= LINE_SECONDS:
            numbers = tqdm.format_meter(
                done,
                total,  # type: ignore[arg-type]  # None where it is not known
                now - began,
                ncols=0,
                initial=initial,
            )
            sys.stderr.write(f"{description}: {numbers.strip()}\n")
            sys.stderr.flush()
            written = now
