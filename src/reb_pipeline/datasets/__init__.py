"""The project's own Kedro datasets, imported on first use to keep the catalog quick to read."""

from importlib import import_module
from typing import Any

_HOMES = {
    "ArraysDataset": "arrays",
    "BTADDataset": "benchmark_folders",
    "CIFAR10Dataset": "one_vs_rest",
    "Checkpoint": "checkpoint",
    "CheckpointDataset": "checkpoint",
    "CacheDataset": "cache",
    "ELPVDataset": "split_folders",
    "FashionMNISTDataset": "one_vs_rest",
    "ImageCollection": "image_collection",
    "MNISTDataset": "one_vs_rest",
    "MVTecADDataset": "benchmark_folders",
    "MVTecLOCODataset": "benchmark_folders",
    "MagneticTileDataset": "split_folders",
    "PackagedModelDataset": "packaged_model",
    "PlainFolderDataset": "split_folders",
    "Sample": "image_collection",
    "TableDataset": "table",
    "UnavailableImages": "image_collection",
    "UnreadableImageError": "image_collection",
    "VisADataset": "benchmark_folders",
    "WeightsDataset": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
