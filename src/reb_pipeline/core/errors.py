"""The one exception that speaks to the user."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import TracebackType


class InputError(ValueError):
    """Something the user gave (data, parameter, file) cannot be used.

    The message is one sentence: the offending value, why, and what to do. The command line prints that
    sentence alone; any other exception keeps its traceback, because it is a defect of ours.
    """


def check_known(names: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Check names against the known ones.

    Args:
        names: What was given.
        known: What may be given.
        kind: What the names are, the beginning of the sentence.

    Raises:
        InputError: For the first unknown name, with the closest known one.
    """
    for name in names:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
            msg = f"{kind} {name!r} is unknown: {hint}"
            raise InputError(msg)


def input_error_behind(error: BaseException) -> InputError | None:
    """The :class:`InputError` that an exception is or comes from; None where it comes from none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__
    return cause


def print_input_error(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """A ``sys.excepthook`` that prints an :class:`InputError` as its sentence, anything else as ever."""
    cause = input_error_behind(error)
    if cause is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        sys.stderr.write(f"Error: {cause}\n")
