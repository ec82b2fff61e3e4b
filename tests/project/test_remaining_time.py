"""A run of many images says how long it will take, and how long the rest of it."""

import logging
from types import SimpleNamespace

import fsspec
import pytest
import yaml

from conftest import ROOT
from reb_pipeline.images.collection import ImageCollection, Sample
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.project import estimate
from reb_pipeline.project.hooks import RUN_ID, RemainingTimeHooks, remaining

CATEGORIES = ("screw", "wood")
SECONDS = {"inspect_images": 0.0, "extract_patch_features": 300.0, "select_coreset": 900.0}
BOXES = {"inspect_images": "ingestion"}


def node(category, name):
    return SimpleNamespace(name=f"{category}.{BOXES.get(name, 'memory_bank')}.{name}")


def pipeline(*names):
    return SimpleNamespace(nodes=[node(one, name) for name in names for one in CATEGORIES])


@pytest.fixture
def catalog(monkeypatch):
    """600 images of each of two categories, which are estimated without a measurement."""
    monkeypatch.delenv(RUN_ID, raising=False)
    monkeypatch.setattr(remaining, "categories", lambda: CATEGORIES)
    monkeypatch.setattr(
        estimate, "estimate", lambda images, _: {name: dict(SECONDS) for name in images}
    )
    samples = [Sample(f"{n}", f"{n}.png", "train", 0, "good") for n in range(600)]
    loaded = ImageCollection(fsspec.filesystem("memory"), "", "screw", samples, [], {})
    dataset = SimpleNamespace(load=lambda: loaded)
    return {f"{name}.raw_images": dataset for name in CATEGORIES}


def hooks():
    made = RemainingTimeHooks()
    made.after_context_created(SimpleNamespace(params={}))
    return made


def test_the_estimate_is_logged_before_the_run_and_the_rest_while_it_runs(
    catalog, caplog, monkeypatch
):
    now = iter([0.0, 30.0, 1200.0, 1230.0])
    monkeypatch.setattr(remaining, "perf_counter", lambda: next(now))
    watched = hooks()
    with caplog.at_level(logging.INFO, "reb_pipeline"):
        watched.before_pipeline_run({}, pipeline(*SECONDS), catalog)
        (said,) = caplog.messages
        assert said.startswith("This run: 2 categories, about 40 minutes on this machine; the long")
        watched.after_node_run(node("screw", "extract_patch_features"))
        assert len(caplog.messages) == 1  # less than a minute ago
        watched.after_node_run(node("wood", "extract_patch_features"))
        # A quarter of the work took 20 minutes, so that the other three take an hour.
        assert caplog.messages[1] == "About 60 minutes left; 0 of 2 categories done."
        watched.after_node_run(node("screw", "draw_figures"))  # not estimated
        watched.after_node_run(node("screw", "select_coreset"))
    assert len(caplog.messages) == 2


def test_little_is_known_of_the_speed_at_first(catalog):
    watched = hooks()
    watched.before_pipeline_run({}, pipeline(*SECONDS), catalog)
    watched.after_node_run(node("screw", "inspect_images"))
    assert watched.remaining(500.0) == 2400  # as measured before the run


@pytest.mark.parametrize(
    ("names", "run"),
    [
        (["inspect_images"], {}),
        (list(SECONDS), {"only_missing_outputs": True}),
    ],
)
def test_other_runs_are_not_estimated(names, run, catalog, caplog):
    with caplog.at_level(logging.INFO, "reb_pipeline"):
        hooks().before_pipeline_run(run, pipeline(*names), catalog)
    assert not caplog.messages


def test_few_images_and_parts_of_a_run_are_not_estimated(catalog, caplog, monkeypatch):
    with caplog.at_level(logging.INFO, "reb_pipeline"):
        monkeypatch.setattr(remaining, "MANY", 1201)
        hooks().before_pipeline_run({}, pipeline(*SECONDS), catalog)
        monkeypatch.setattr(remaining, "MANY", 1200)
        monkeypatch.setenv(RUN_ID, "2026-01-02T03.04.05.678Z")
        hooks().before_pipeline_run({}, pipeline(*SECONDS), catalog)
    assert not caplog.messages


@pytest.mark.parametrize("env", ["mvtec_ad", "mvtec_loco", "btad"])
def test_the_settings_for_a_cpu_are_the_shipped_default_on_every_benchmark(env):
    given = yaml.safe_load((ROOT / "conf/cpu.yml").read_text())["run"]["params"]
    loader = ProjectConfigLoader(str(ROOT / "conf"), env=env, runtime_params=given, **LOADER_ARGS)
    base = ProjectConfigLoader(str(ROOT / "conf"), **LOADER_ARGS)
    shipped = base["parameters"][base.categories[0]]
    sections = loader["parameters"][loader.categories[0]]
    assert sections["scoring"] == shipped["scoring"]
    for name in ("backbone", "weights", "neck", "image_size", "engine"):
        assert sections["features"][name] == shipped["features"][name]
    assert sections["ssl_finetune"]["enabled"] is False
    assert sections["memory_bank"]["coreset_ratio"] == 0.1
