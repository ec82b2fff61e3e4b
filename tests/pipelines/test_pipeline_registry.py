"""All pipelines by name, each made when it is asked for."""

import subprocess
import sys
from inspect import signature

import pytest

from conftest import ROOT
from reb_pipeline.pipeline_registry import register_pipelines
from reb_pipeline.pipelines.registry import Registry, pipeline_names
from reb_pipeline.pipelines.studies import STUDIES


def test_every_name_is_a_pipeline():
    registry = Registry()
    assert list(registry) == pipeline_names()
    assert len(registry) == len(set(pipeline_names()))
    for name in pipeline_names():
        assert registry[name].nodes, name
        assert registry[name] is registry[name]
    assert {node.name for node in registry["__default__"].nodes} == {
        node.name for node in registry["full"].nodes
    }
    with pytest.raises(KeyError):
        _ = registry["studies_arm"]
    assert registry.get("studies_") is None


def test_sessions_share_the_pipelines_that_they_create():
    assert register_pipelines() is register_pipelines()


def test_studies_are_each_study_by_its_name():
    registry = Registry()
    every = {node.name for node in registry["studies"].nodes}
    parts = [{node.name for node in registry[f"studies_{name}"].nodes} for name in STUDIES]
    assert set.union(*parts) == every
    assert sum(map(len, parts)) == len(every)
    for name in STUDIES:
        outputs = registry[f"studies_{name}"].outputs()
        assert f"study_{name}_figure" in outputs


def test_nodes_of_studies_take_few_inputs():
    registry = Registry()
    for name in ("studies", "selection"):
        for node in registry[name].nodes:
            arguments = [
                one
                for one in signature(node.func).parameters.values()
                if one.kind != one.VAR_POSITIONAL
            ]
            assert len(arguments) <= 4, node.name


def test_one_name_makes_no_other_pipeline():
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from kedro.framework.project import pipelines\n"
        "from kedro.framework.startup import bootstrap_project\n"
        "bootstrap_project(Path.cwd())\n"
        "pipelines.set_requested(['studies_arms'])\n"
        "assert pipelines['studies_arms'].nodes\n"
        "print([name for name in sys.modules if name.startswith('reb_pipeline.pipelines.')"
        " and name.endswith('.pipeline')])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip().splitlines()[-1] == "['reb_pipeline.pipelines.studies.pipeline']"
