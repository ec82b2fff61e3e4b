"""The one progress bar of the project."""

from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T], description: str | None, total: int | None = None, initial: int = 0
) -> Iterable[T]:
    """Iterate over ``items`` behind a bar with rate and ETA.

    Args:
        items: What to iterate over.
        description: Shown before the bar, e.g. ``"mono: patch features"``; no bar without it.
        total: Number of items, where ``len(items)`` is not all of them.
        initial: Number of items done before.

    Returns:
        The same items, in the same order.
    """
    # Unless it is told, tqdm asks the environment (TQDM_DISABLE).
    quiet: dict[str, Any] = {} if description else {"disable": True}
    return tqdm(
        items,
        desc=description,
        total=total,
        initial=initial,
        mininterval=1.0,
        dynamic_ncols=True,
        **quiet,
    )
