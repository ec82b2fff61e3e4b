"""Packaged models and the verdicts on new images; needs neither Kedro nor PyTorch.

- ``inspector``: a packaged model at work, image in, verdict out;
- ``model``, ``manifest``: the folder of a packaged model, written and read;
- ``network``: what computes its network, ONNX Runtime or OpenVINO;
- ``results``, ``defects``: what it finds;
- ``images``, ``encoding``: image files from anywhere, decoded with care; pictures as files and text;
- ``parity``: a packaged model beside the training pipeline.

``Inspector``, ``Inspection``, ``Defect``, ``NearestGood`` and ``read_image`` can be imported from here.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Defect": "defects",
    "Inspection": "results",
    "Inspector": "inspector",
    "NearestGood": "results",
    "read_image": "images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
