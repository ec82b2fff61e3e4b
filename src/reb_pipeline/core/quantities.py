"""Numbers that people give, checked in one place: what is no number, NaN and infinity get one clear sentence."""

import math
from numbers import Real
from typing import Any, TypeGuard

from reb_pipeline.core.errors import InputError


def is_number(value: Any) -> TypeGuard[float]:
    """Return True for a finite number; True and False are none.

    Example:
        >>> [is_number(value) for value in (1, 0.5, float("nan"), float("inf"), "1", True, None)]
        [True, True, False, False, False, False, False]
    """
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer above all floats
        return False


def checked_share(value: Any, what: str) -> float:
    """Check a share above 0 and below 1.

    Args:
        value: The value given.
        what: Beginning of the message, such as "A false-alarm rate of".

    Raises:
        InputError: If it is no number, or out of this range.
    """
    if not (is_number(value) and 0 < value < 1):
        msg = f"{what} {_shown(value)} cannot be used: it must lie between 0 and 1, such as 0.05."
        raise InputError(msg)
    return float(value)


def checked_positive(value: Any, what: str) -> float:
    """Check a finite number above 0.

    Args:
        value: The value given.
        what: Beginning of the message, such as "The price of an escape".

    Raises:
        InputError: If it is no number, not finite, or not above 0.
    """
    if not (is_number(value) and value > 0):
        raise InputError(f"{what}, {_shown(value)}, cannot be used: give a number above 0.")
    return float(value)


def checked_count(value: Any, what: str) -> int:
    """Check a whole number of at least 1.

    Args:
        value: The value given.
        what: Beginning of the message, such as "The number of patches".

    Raises:
        InputError: If it is no whole number, or below 1.
    """
    if not (is_number(value) and value >= 1 and value == int(value)):
        msg = f"{what}, {_shown(value)}, cannot be used: give a whole number of at least 1."
        raise InputError(msg)
    return int(value)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Real) else repr(value)
