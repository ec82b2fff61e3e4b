"""OpenVINO's core, one for the process; light to import."""

from functools import cache
from typing import Any


@cache
def openvino_core() -> Any:
    """The core, never freed: on another thread that would leave this one a signal stack that is gone.

    Raises:
        ImportError: If OpenVINO is not installed.
    """
    import openvino

    return openvino.Core()
