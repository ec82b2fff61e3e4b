"""Kedro datasets of the project, imported on first use to keep the catalog quick to read.

A class is found by its name: the name of its module, without underscores, ends the name of the class.
``MVTecADDataset`` is in ``layouts.mvtec_ad``, ``FashionMNISTDataset`` in ``layouts.mnist``, ``Checkpoint`` and
``CheckpointDataset`` in ``checkpoint``. So a new module needs no line here.
"""

from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from reb_pipeline.core.moved import no_attribute

_MODULES = {
    module.name.rpartition(".")[2].replace("_", ""): module.name
    for module in walk_packages(__path__, f"{__name__}.")
}


def __getattr__(name: str) -> Any:
    stem = name.removesuffix("Dataset").lower()
    endings = [ending for ending in _MODULES if stem.endswith(ending)]
    if not endings:
        raise no_attribute(__name__, name)
    return getattr(import_module(_MODULES[max(endings, key=len)]), name)
