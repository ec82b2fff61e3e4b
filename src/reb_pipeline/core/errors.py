"""Errors whose message is meant for the user."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import TracebackType


class InputError(ValueError):
    """Error in data, a parameter or a file that the user gave.

    The message is one sentence: the wrong value, why it is wrong, and what to do. The command line prints only that
    sentence. Any other exception keeps its traceback, because it is a defect of this project.
    """


def check_known(names: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Check that all names are known.

    Args:
        names: The names to check.
        known: The names that are allowed.
        kind: Noun for these names, with which the error message begins.

    Raises:
        InputError: For the first unknown name; the message suggests the most similar known one.

    Example:
        >>> check_known(["screw"], ["screw", "tile"], "Category")
        >>> check_known(["tiles"], ["screw", "tile"], "Category")
        Traceback (most recent call last):
            ...
        reb_pipeline.core.errors.InputError: Category 'tiles' is unknown: did you mean 'tile'?
    """
    for name in names:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            others = f"known are {', '.join(known)}." if known else "none is known here."
            hint = f"did you mean {close[0]!r}?" if close else others
            msg = f"{kind} {name!r} is unknown: {hint}"
            raise InputError(msg)


def input_error_behind(error: BaseException) -> InputError | None:
    """Find the :class:`InputError` that an exception is or was raised from; None if there is none.

    A full or read-only disk, storage elsewhere that does not answer, and too little memory are errors of the user's
    machine, wherever they are noticed.
    """
    from reb_pipeline.core.memory import is_too_little, memory_error
    from reb_pipeline.core.places import elsewhere_error, is_elsewhere
    from reb_pipeline.core.storage import FULL, READ_ONLY, storage_error

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        if isinstance(cause, OSError) and cause.errno in FULL | READ_ONLY:
            return storage_error(cause, cause.filename)
        if is_elsewhere(cause):
            return elsewhere_error(cause)
        if is_too_little(cause):
            return memory_error(cause)
        cause = cause.__cause__
    return cause


def print_input_error(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print an :class:`InputError` as one sentence, other errors with traceback; serves as ``sys.excepthook``."""
    cause = input_error_behind(error)
    if cause is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        sys.stderr.write(f"Error: {cause}\n")
