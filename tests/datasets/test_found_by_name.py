"""Classes of ``reb_pipeline.datasets`` are found by their names, and none is imported before."""

import inspect
import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

from reb_pipeline import datasets

MODULES = [module.name for module in walk_packages(datasets.__path__, f"{datasets.__name__}.")]


@pytest.mark.parametrize("module", MODULES)
def test_every_dataset_of_a_module_is_found(module: str) -> None:
    for name, found in inspect.getmembers(import_module(module), inspect.isclass):
        if name.endswith("Dataset") and found.__module__ == module:
            assert getattr(datasets, name, None) is found


@pytest.mark.parametrize("name", ["NoDataset", "NoTableDataset", "nothing"])
def test_other_names_are_no_attributes(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(datasets, name)


def test_import_loads_no_dataset() -> None:
    script = "import sys, reb_pipeline.datasets; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {name for name in loaded if name.startswith("reb_pipeline.datasets")} == {
        "reb_pipeline.datasets", "reb_pipeline.datasets.layouts"
    }  # fmt: skip
    assert not loaded & {"kedro", "numpy", "fsspec", "pandas", "torch"}
