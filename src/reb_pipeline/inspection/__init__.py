"""Packaged models and inspection of new images; needs neither Kedro nor PyTorch.

- ``inspector``: ``Inspector``, a loaded packaged model that inspects images;
- ``model``, ``manifest``: the folder of a packaged model, written and read;
- ``network``: runs the network of a model with ONNX Runtime or OpenVINO;
- ``results``, ``defects``: results of an inspection;
- ``encoding``: images as files and text;
- ``parity``: comparison of a packaged model with the training pipeline;
- ``folder``, ``cli``: inspection of every image of a folder, once; the command ``reb inspect``;
- ``model_options``: options of commands that inspect with a model;
- ``report``, ``views``, ``overlay``: the HTML page of an inspection, its images, anomaly maps as colours.

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
