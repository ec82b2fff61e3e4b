"""Packaged models and the verdicts on new images; needs neither Kedro nor PyTorch.

- ``inspector``: a packaged model at work, image in, verdict out;
- ``model``, ``manifest``: the folder of a packaged model, written and read;
- ``network``: what computes its network, ONNX Runtime or OpenVINO;
- ``results``, ``defects``: what it finds;
- ``encoding``: images as files and text;
- ``parity``: a packaged model beside the training pipeline;
- ``folder``, ``cli``: every image of a folder inspected once; ``reb-inspect``;
- ``report``, ``views``, ``overlay``: the page of an inspection, its images, anomaly maps as colours.

``Inspector``, ``Inspection``, ``Defect``, ``NearestGood`` and ``read_image`` can be imported from here.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Defect": "inspection.defects",
    "Inspection": "inspection.results",
    "Inspector": "inspection.inspector",
    "NearestGood": "inspection.results",
    "read_image": "images.decoding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"reb_pipeline.{_HOMES[name]}"), name)
