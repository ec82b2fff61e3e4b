"""Examples in docstrings run, and the public classes and functions have one."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
MODULES = sorted(
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for path in SRC.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
# Classes and functions that the documentation, the notebook or a package names.
PUBLIC = (
    "core.errors.check_known",
    "detectors.registry.DetectorSettings",
    "detectors.sources.encoder.Encoder",
    "detectors.sources.images.ImageFeatures",
    "features.settings.FeatureSettings",
    "features.tiles.Tiles",
    "images.collection.ImageCollection",
    "images.decoding.read_image",
    "images.resize.resize_image",
    "images.samples.Samples",
    "memory_bank.bank.Coreset",
    "memory_bank.bank.MemoryBank",
    "memory_bank.coreset.select_coreset",
    "memory_bank.density.LocalDensity",
    "memory_bank.distances.FeatureSpace",
    "memory_bank.nearest_patches.search_images",
    "memory_bank.settings.MemoryBankSettings",
    "memory_bank.update.update_bank",
    "parameters.configurations.Configuration",
    "parameters.configurations.expand",
    "scoring.anomaly_maps.AnomalyMaps",
    "scoring.anomaly_maps.anomaly_map",
    "scoring.detection.Detection",
    "scoring.detector.MemoryBankDetector",
    "scoring.ldknn.ldknn_scores",
    "scoring.settings.ScoringSettings",
    "scoring.surprise.surprise",
    "search.index.NeighborIndex",
    "search.k_center.greedy_k_center",
    "studies.experiment.Experiment",
    "studies.published.published",
    "studies.sections.StudySections",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_run(name, monkeypatch):
    monkeypatch.chdir(SRC.parent)  # paths in examples are relative to the project

    found = doctest.testmod(import_module(name))

    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("path", PUBLIC)
def test_public_names_have_an_example(path):
    module, _, name = path.rpartition(".")

    assert ">>> " in getattr(import_module(f"reb_pipeline.{module}"), name).__doc__
