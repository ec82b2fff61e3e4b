"""Old paths are answered with the new ones, and the new ones exist."""

import pickle
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest

import miniatures
from conftest import ROOT, SMALL
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.moved import (
    DISSOLVED,
    MOVED,
    PACKAGE,
    MovedError,
    MovedFinder,
    moved,
    present_path,
)
from test_cli import flatten


def exists(path: str) -> bool:
    try:
        return find_spec(path) is not None
    except ModuleNotFoundError:
        return False


MODULES = [former for former, present in MOVED.items() if exists(PACKAGE + present)]
NAMES = [former for former in MOVED if former not in MODULES]


def test_there_are_rows_of_both_kinds():
    assert {"neighbors.bank", "runners", "inventory"} <= set(MODULES)
    assert {"inventory.good_training", "datasets.ImageCollection"} <= set(NAMES)


@pytest.mark.parametrize("former", MODULES)
def test_old_modules_name_the_new_ones(former):
    present = PACKAGE + MOVED[former]
    with pytest.raises(MovedError) as caught:
        import_module(PACKAGE + former)
    assert str(caught.value).startswith(f"{PACKAGE}{former} has moved to {present}")
    with pytest.raises(ModuleNotFoundError, match=present):  # as `from … import …` has it
        import_module(f"{PACKAGE}{former}.anything")


@pytest.mark.parametrize("former", NAMES)
def test_old_names_name_the_new_ones(former):
    module, _, name = (PACKAGE + former).rpartition(".")
    home, _, present = (PACKAGE + MOVED[former]).rpartition(".")
    assert hasattr(import_module(home), present)
    with pytest.raises(MovedError, match=rf"{name}.* to {home}"):
        exec(f"from {module} import {name}", {})
    with pytest.raises(MovedError, match=rf"{name}.* to {home}"):
        getattr(import_module(module), name)


def test_what_has_not_moved():
    for module in ("reb_pipeline.images", "reb_pipeline.parameters", "reb_pipeline.datasets"):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = import_module(module).nothing
    for path in ("reb_pipeline.neighbors.nothing", "reb_pipeline.nothing"):
        with pytest.raises(ModuleNotFoundError, match="No module named"):
            import_module(path)
    for path in (
        "pandas.ParquetDataset",
        "reb_pipeline",
        "reb_pipeline.memory_bank.bank",
        "training",
    ):
        assert present_path(path) is None


OLD_CLASSES = [
    "arrays.ArraysDataset",
    "benchmark_folders.BTADDataset",
    "benchmark_folders.MVTecADDataset",
    "benchmark_folders.MVTecLOCODataset",
    "benchmark_folders.VisADataset",
    "cache.CacheDataset",
    "checkpoint.Checkpoint",
    "checkpoint.CheckpointDataset",
    "image_collection.ImageCollection",
    "image_collection.Sample",
    "image_collection.UnavailableImages",
    "image_folders.ImageFolderBase",
    "one_vs_rest.CIFAR10Dataset",
    "one_vs_rest.FashionMNISTDataset",
    "one_vs_rest.MNISTDataset",
    "one_vs_rest.OneVsRestBase",
    "packaged_model.PackagedModelDataset",
    "packed_images.PackedImages",
    "split_folders.ELPVDataset",
    "split_folders.MagneticTileDataset",
    "split_folders.PlainFolderDataset",
    "split_folders.SplitFolderBase",
    "table.TableDataset",
    "versioned_file.VersionedFile",
    "weights.WeightsDataset",
]
SHORT_CLASSES = [
    name.rpartition(".")[2]
    for name in OLD_CLASSES
    if not name.endswith(("Base", "PackedImages", "VersionedFile"))
]


@pytest.mark.parametrize("former", [*OLD_CLASSES, *SHORT_CLASSES])
def test_every_class_of_an_old_catalog_is_found(former):
    path = f"{PACKAGE}datasets.{former}"
    found = resolve_name(present_path(path) or path)
    assert isinstance(found, type)
    assert found.__name__ == former.rpartition(".")[2]


@pytest.mark.parametrize(
    ("former", "name"),
    [
        ("detectors.memory_bank.SearchedBank", "MemoryBankDetector"),
        ("errors.insist_known", "check_known"),
        ("features.resize.resize_image", "resize_image"),
        ("finetuning.settings.FinetuneSettings", "TrainingSettings"),
        ("neighbors.image_scores.ImageScoreSettings", "ImageScoreSettings"),
        ("neighbors.index.NeighborIndex", "NeighborIndex"),
        ("parameters.ScoringParams", "ScoringSettings"),
        ("pipelines.studies.representations.CategoryFeatures", "CategoryFeatures"),
        ("pipelines.studies.workbench.Workbench", "Experiment"),
        ("studies.cells.Cell", "Configuration"),
        ("training.ResumableRun", "ResumableRun"),
    ],
)
def test_old_names_of_the_library_are_found(former, name):
    assert resolve_name(present_path(PACKAGE + former)).__name__ == name


def test_a_name_that_is_gone_is_answered_with_its_module():
    for former, present in (
        ("neighbors.image_scores.judge", "scoring.image_scores"),
        ("pipelines.studies_arms.nodes.draw_arms", "pipelines.studies.arms"),
    ):
        assert present_path(PACKAGE + former) == PACKAGE + present


def test_a_renamed_name_is_answered_in_full():
    assert "CellMeter to reb_pipeline.studies.measure.Evaluator:" in str(
        moved("reb_pipeline.pipelines.studies.measure")
    )


def test_paths_of_names():
    for former, present in (
        ("neighbors.bank.MemoryBank", "memory_bank.bank.MemoryBank"),
        ("neighbors.search.nearest_neighbors", "search.index.nearest_neighbors"),
        ("neighbors.search.NearestPatches", "memory_bank.nearest_patches.NearestPatches"),
        ("runners.DaskRunner", "project.runners.DaskRunner"),
    ):
        assert present_path(PACKAGE + former) == PACKAGE + present


def test_a_folder_that_git_left_behind_is_no_package(tmp_path, monkeypatch):
    """It holds nothing but ``__pycache__``, yet Python takes it for a namespace package."""
    import reb_pipeline

    for name in ("runners", *DISSOLVED):
        (tmp_path / name / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(reb_pipeline, "__path__", [*reb_pipeline.__path__, str(tmp_path)])
    assert sys.meta_path.count(MovedFinder) == 1
    with pytest.raises(MovedError, match=r"reb_pipeline.runners has moved to .*project.runners"):
        import_module("reb_pipeline.runners")
    with pytest.raises(MovedError, match=r"to reb_pipeline.memory_bank.bank"):
        import_module("reb_pipeline.neighbors.bank")


def test_the_error_is_one_sentence_of_several_kinds():
    error = moved("reb_pipeline.inventory")
    assert isinstance(error, InputError)
    assert isinstance(error, ModuleNotFoundError)
    assert (
        str(pickle.loads(pickle.dumps(error)))
        == str(error)
        == (
            "reb_pipeline.inventory has moved to reb_pipeline.images.inventory, its HOLD_OUT_EVERY, good_finetuning, "
            "good_training, held_out_good to reb_pipeline.images.samples: change the import, the catalog entry or the "
            "option that names it."
        )
    )


def test_a_script_of_the_user():
    program = "from reb_pipeline.neighbors.bank import MemoryBank"
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert finished.returncode == 1
    last = finished.stderr.strip().splitlines()[-1]
    assert "reb_pipeline.neighbors.bank has moved to reb_pipeline.memory_bank.bank: change" in last


def test_a_runner_of_the_old_path(kedro):
    finished = kedro("run", "--runner", "reb_pipeline.runners.DaskRunner")
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    last = finished.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: reb_pipeline.runners has moved to reb_pipeline.project.runners:")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            "{type: reb_pipeline.datasets.ArraysDataset, record: reb_pipeline.neighbors.bank.MemoryBank",
            "names reb_pipeline.neighbors.bank.MemoryBank, which has moved to "
            "reb_pipeline.memory_bank.bank.MemoryBank: change its `record`.",
        ),
        (
            "{type: reb_pipeline.datasets.split_folders.PlainFolderDataset",
            "names reb_pipeline.datasets.split_folders.PlainFolderDataset, which has moved to "
            "reb_pipeline.datasets.PlainFolderDataset: change its `type`.",
        ),
    ],
)
def test_a_catalog_entry_of_the_old_path(kedro, tmp_path: Path, entry, sentence):
    conf, out = tmp_path / "conf", tmp_path / "out"
    shutil.copytree(ROOT / "conf", conf)
    (conf / "local/catalog.yml").write_text(
        f'"{{category}}.memory_bank": {entry}, filepath: x.npz}}\n'
    )
    miniatures.make_elpv(tmp_path / "elpv")
    params = f"data_root={tmp_path / 'elpv'},output_root={out},{flatten(SMALL)}"
    finished = kedro("run", "--conf-source", str(conf), "--params", params)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    last = finished.stderr.strip().splitlines()[-1]
    assert last == f"Error: The catalog entry '{{category}}.memory_bank' {sentence}"
    assert not out.exists()
