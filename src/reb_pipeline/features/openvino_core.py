"""Core of OpenVINO, one for the process; quick to import."""

from functools import cache
from typing import Any


@cache
def openvino_core() -> Any:
    """Return the core; it is never freed, because freeing it on another thread leaves an invalid signal stack here.

    Raises:
        ImportError: If OpenVINO is not installed.
    """
    import openvino

    return openvino.Core()
