"""The catalog holds every dataset of every pipeline, whatever patterns and anchors it is written with."""

import pytest

from catalog_entries import layer, resolver
from reb_pipeline.parameters import loader
from reb_pipeline.pipelines.registry import Registry
from reb_pipeline.project.hooks import METRICS, PATH, RUNS, STUDY

LAYERS = {
    "raw", "intermediate", "primary", "feature", "model_input", "models", "model_output", "reporting"
}  # fmt: skip


@pytest.fixture
def entries(monkeypatch):
    """The entry of every dataset of every pipeline of an environment; empty where there is none."""
    monkeypatch.setattr(loader, "_active", None)  # whatever environment was there comes back

    def entries(env=None):
        catalog = resolver(env)
        names = set().union(*(pipeline.datasets() for pipeline in Registry().values()))
        return {
            name: catalog.resolve_pattern(name)
            for name in names
            if not name.startswith(("params:", "parameters"))
        }

    return entries


@pytest.mark.parametrize("env", [None, "mvtec_ad", "mvtec_loco", "folder"])
def test_every_dataset_of_every_pipeline_is_an_entry_with_a_layer(entries, env):
    found = entries(env)
    assert len(found) > 90
    for name, entry in found.items():
        assert entry, name
        assert layer(entry) in LAYERS, name
    assert {layer(entry) for entry in found.values()} == LAYERS


def test_no_two_datasets_are_the_same_file(entries):
    seen = {}
    for name, entry in entries("mvtec_loco").items():
        place = entry.get("filepath") or (entry["path"], entry.get("category"), entry["type"])
        seen.setdefault(place, set()).add(name.removesuffix("_before"))
    assert all(len(names) == 1 for names in seen.values())


def test_the_end_of_a_run_prints_known_kinds_only(entries):
    kinds = {
        entry["metadata"]["reb"]["end_of_run"]
        for entry in entries().values()
        if "reb" in entry["metadata"]
    }
    assert kinds == {PATH, METRICS, STUDY, RUNS}
