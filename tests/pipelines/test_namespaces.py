"""Namespaces of categories and, within them, of pipelines: the boxes that Kedro-Viz shows."""

import ast
import inspect
import shutil
import textwrap
import warnings
from pathlib import Path

import pytest
import yaml
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

import miniatures
from conftest import ROOT, SMALL, newest, read_json
from pages import pipelines
from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters import loader
from reb_pipeline.pipelines import registry

SCREW = {"namespaces": ["screw"]}


@pytest.fixture
def environment(monkeypatch):
    """Make an environment the one in use."""
    monkeypatch.setattr(loader, "_active", None)
    return lambda env, conf=ROOT / "conf": loader.ProjectConfigLoader(
        str(conf), env=env, **loader.LOADER_ARGS
    )


@pytest.mark.parametrize("env", ["base", "mvtec_ad", "folder"])
def test_no_namespace_is_interrupted(env, environment):
    environment(env)
    made = registry.Registry()
    alone = ("bank_update", "detection_packaging")  # their outputs are those of others too
    with warnings.catch_warnings(action="error"):
        both = sum((made[name] for name in made if name not in alone), Pipeline([]))
        for name in alone:
            made[name]
    assert {"ingestion", "evaluation", "packaging"} <= {
        node.namespace.split(".")[1] for node in both.nodes if node.namespace
    }


def test_a_node_is_in_the_box_of_its_package():
    for node in pipelines()["full"].nodes + pipelines()["bank_update"].nodes:
        package = inspect.getmodule(node.func).__name__.split(".")[-2]
        if node.namespace:
            assert node.namespace in (f"mono.{package}", f"poly.{package}")
            assert not any(
                name.startswith(f"{node.namespace}.") for name in [*node.inputs, *node.outputs]
            )
        else:
            assert node.name == "summarize"


def test_no_node_reads_images_for_the_name_of_their_category():
    for pipeline in pipelines().values():
        for node in pipeline.nodes:
            argument = dict(
                zip(node.inputs, inspect.signature(node.func).parameters, strict=False)
            ).get(f"{node.name.split('.')[0]}.raw_images")
            if argument is None:
                continue
            tree = ast.parse(textwrap.dedent(inspect.getsource(node.func)))
            for_its_name = [
                at.value for at in ast.walk(tree)
                if isinstance(at, ast.Attribute) and at.attr == "category"
            ]  # fmt: skip
            uses = [
                at for at in ast.walk(tree)
                if isinstance(at, ast.Name) and at.id == argument and at not in for_its_name
            ]  # fmt: skip
            assert uses, node.name


def test_a_category_is_a_pipeline(environment):
    environment("mvtec_ad")
    made = registry.Registry()
    names = list(made)
    assert set(loader.categories()) <= set(names)
    assert len(names) == len(set(names)) == len(made)
    named = [node.name for node in made["full"].nodes if node.name.startswith("screw.")]
    assert [node.name for node in made["screw"].nodes] == named
    assert len(named) == 24
    with pytest.raises(KeyError):
        made["scrw"]


def test_a_pipeline_goes_before_a_category_of_its_name(environment, tmp_path: Path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/globals.yml").write_text("categories: [drift, studies_of_mine]")
    environment("base", tmp_path)
    made = registry.Registry()
    assert list(made).count("drift") == 1
    assert {node.name for node in made["drift"].nodes} == {
        "drift.drift.report_drift", "studies_of_mine.drift.report_drift"
    }  # fmt: skip
    assert "studies_of_mine.ingestion.inspect_images" in {
        node.name for node in made["studies_of_mine"].nodes
    }


AMBIGUOUS = (
    "metrics_part", "hybrid_metrics_part", "x_metrics_y", "study_arms", "study_arms_table",
    "selection_candidates_part",
)  # fmt: skip
DIFFICULT = (
    "2024", "01", "all", "a", "a-b", "metrics", "study", "Gehäuse_groß", "ネジ", "parameters", "params", "raw_images",
    "part", "hybrid_metrics", "hybrid_part", "a_results_b", "evaluation", "studies_arms", "__default__",
    "selected_parameters", "selection_candidates", "report", "report_figure", "candidates_a",
)  # fmt: skip


def test_difficult_names_keep_each_dataset_in_the_folder_of_its_category(environment, tmp_path):
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    values = yaml.safe_load((conf / "base/globals.yml").read_text())
    (conf / "base/globals.yml").write_text(yaml.safe_dump({**values, "categories": [*DIFFICULT]}))
    entries = environment("base", conf)["catalog"]
    catalog = DataCatalog.from_config(
        {name: entry for name, entry in entries.items() if not name.startswith("_")}
    )
    made = registry.Registry()
    for name in ("full", "hybrid", "packaging", "selection", "studies", "bank_update"):
        for node in made[name].nodes:
            category = (node.namespace or "").split(".")[0]
            for dataset in {*node.inputs, *node.outputs} if category else ():
                if not dataset.startswith("params:") and dataset != "parameters":
                    described = catalog[dataset]._describe()
                    place = described.get("category") or str(described.get("filepath") or described)
                    assert category in place.split("/"), (dataset, place)


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_names_that_the_catalog_would_read_otherwise_are_refused(environment, tmp_path, name):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/globals.yml").write_text(f"categories: [part, {name}]")
    with pytest.raises(InputError, match=f"'{name}' of environment 'base' cannot be used: what is"):
        _ = environment("base", tmp_path).categories


def test_one_box_of_one_category_is_run(run_project, tmp_path):
    params = {"data_root": str(miniatures.make_mvtec_ad(tmp_path / "images")), **SMALL}
    out = run_project("mvtec_ad", params, pipeline_names=["screw"])
    assert newest(out / "08_reporting/screw", "report.html").is_file()
    assert not (out / "08_reporting/summary.parquet").exists()

    again = {**params, "calibration": {"false_alarm_rate": 0.3}}
    run_project("mvtec_ad", again, namespaces=["screw.calibration"])

    manifest = read_json(out / "08_reporting", "run_manifest.json")
    assert manifest["nodes"] == [
        "screw.calibration.leave_images_out",
        "screw.calibration.search_calibration_images",
        "screw.calibration.calibrate",
    ]  # fmt: skip
    assert len(list((out / "06_models/screw/calibration.npz").iterdir())) == 2
    assert len(list((out / "06_models/screw/memory_bank.npz").iterdir())) == 1


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (
            {"namespaces": ["screw.calibrtion"]},
            r"Namespace 'screw.calibrtion' .*'screw.calibration'",
        ),
        ({"namespaces": ["screw.drift"]}, r"Namespace 'screw.drift' is unknown"),
        ({"from_nodes": ["screw.calibrate"]}, r"Node .* mean 'screw.calibration.calibrate'\?"),
        ({"node_names": ["screw.fit_detector"]}, r"mean 'screw.ldknn_density.fit_detector'\?"),
        ({"to_nodes": ["screw.score_images"]}, r"mean 'screw.evaluation.score_images'\?"),
        (
            {"node_names": ["screw.fuse_detectors"]},
            r"in this run: give 'screw.hybrid.fuse_detectors' with --pipelines=hybrid\.$",
        ),
        (
            {"pipeline_names": ["ingestion"], "to_nodes": ["screw.evaluation.score_images"]},
            r"in this run: give 'screw.evaluation.score_images' with --pipelines=evaluation\.$",
        ),
        ({"from_inputs": ["screw.sample"]}, r"Dataset 'screw.sample' .*mean 'screw.samples'\?"),
        ({"to_outputs": ["screw.detectr"]}, r"Dataset .* mean 'screw.detector'\?"),
        ({"load_versions": {"screw.coresets": "x"}}, r"Dataset .* mean 'screw.coreset'\?"),
        ({"tags": ["gup"]}, r"Tag 'gup' is unknown: did you mean 'gpu'\?"),
        ({"tags": ["nosuch"]}, r"Tag 'nosuch' is unknown: known are gpu"),
        ({"node_names": ["x"]}, r"Node 'x' is unknown: known are "),
        (
            {"tags": ["gpu"], "node_names": ["summarize"]},
            r"No node is in all of --tags=gpu --nodes=summarize: leave one of them out\.$",
        ),
        (
            {"namespaces": ["screw.calibration"], "to_nodes": ["screw.ingestion.inspect_images"]},
            r"in all of --to-nodes=screw.ingestion.inspect_images --namespaces=screw.calibration: ",
        ),
        ({"pipeline_names": ["scrw"]}, r"Pipeline 'scrw' is unknown: did you mean 'screw'"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(run_project, tmp_path, selection, sentence):
    with pytest.raises(InputError, match=sentence):
        run_project("mvtec_ad", **selection)
    assert not (tmp_path / "out").exists()
