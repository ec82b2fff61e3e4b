"""Datasets write themselves back to catalog entries of plain types, whichever class has the constructor."""

import inspect
from importlib import import_module
from pkgutil import walk_packages

import pytest
import yaml
from kedro.io import AbstractDataset, DataCatalog, Version

from reb_pipeline import datasets
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.memory_bank.bank import Coreset


def classes():
    """Every dataset class of the project that can be made."""
    modules = [
        import_module(m.name) for m in walk_packages(datasets.__path__, "reb_pipeline.datasets.")
    ]
    found = {
        one
        for module in modules
        for one in vars(module).values()
        if inspect.isclass(one)
        and issubclass(one, AbstractDataset)
        and one.__module__.startswith("reb_pipeline.")
        and not inspect.isabstract(one)
    }
    return sorted(found, key=lambda one: one.__name__)


def arguments(kind):
    """Arguments of a class as they stand in a catalog entry."""
    names = {
        name
        for base in kind.__mro__
        if "__init__" in vars(base) and issubclass(base, AbstractDataset)
        for name in inspect.signature(base.__init__).parameters
    }
    values = {
        "filepath": "/data/file", "path": "/data", "category": "part", "split": {"test": 0.5, "seed": 1},
        "record": f"{Coreset.__module__}.Coreset", "metadata": {"kedro-viz": {"layer": "models"}},
        "normal_dir": ["good"], "version": Version(None, "v"),
    }  # fmt: skip
    if kind is datasets.WeightsDataset:
        values["record"] = f"{BackboneWeights.__module__}.BackboneWeights"
    return {name: value for name, value in values.items() if name in names}


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_the_entry_of_a_dataset_is_plain_and_makes_the_same_again(kind):
    given = arguments(kind)
    name = f"{kind.__module__}.{kind.__qualname__}"
    catalog = DataCatalog({"one": kind(**given)})
    entry = catalog.to_config()[0]["one"]
    assert yaml.safe_load(yaml.safe_dump(entry)) == entry
    assert not {"args", "kwargs", "others"} & entry.keys()
    versioned = {"versioned": True} if given.pop("version", None) else {}
    given.pop("metadata", None)  # which Kedro leaves out
    assert {key: entry[key] for key in [*given, *versioned]} == given | versioned
    again = DataCatalog.from_config({"one": {**entry, "type": name}})
    assert again.to_config()[0]["one"] == entry
