"""The project's own Kedro datasets, imported on first use to keep the catalog quick to read."""

from importlib import import_module
from typing import Any

_HOMES = {
    "ArraysDataset": "arrays",
    "BTADDataset": "layouts.benchmark_folders",
    "CIFAR10Dataset": "layouts.one_vs_rest",
    "Checkpoint": "checkpoint",
    "CheckpointDataset": "checkpoint",
    "CacheDataset": "cache",
    "ELPVDataset": "layouts.split_folders",
    "FashionMNISTDataset": "layouts.one_vs_rest",
    "MNISTDataset": "layouts.one_vs_rest",
    "MVTecADDataset": "layouts.benchmark_folders",
    "MVTecLOCODataset": "layouts.benchmark_folders",
    "MagneticTileDataset": "layouts.split_folders",
    "PackagedModelDataset": "packaged_model",
    "PlainFolderDataset": "layouts.split_folders",
    "TableDataset": "table",
    "VisADataset": "layouts.benchmark_folders",
    "WeightsDataset": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
