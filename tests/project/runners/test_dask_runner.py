"""Nodes on the workers of a Dask cluster: what is lost, kept, refused and said."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

import toy_nodes
from distributed import Nanny, Scheduler, SpecCluster
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from toy_nodes import VERSION

from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters import loader as config_loader
from reb_pipeline.project.runners import DaskRunner, dask_cluster, dask_runner
from reb_pipeline.project.runners.dask_cluster import DaskSettings, read_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_loader, "_active", None)
    monkeypatch.setattr("kedro.framework.project.PACKAGE_NAME", None)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster whose second worker offers a GPU, and which repeats a node once."""
    options = {"nthreads": 1}
    workers = {
        "plain": {"cls": Nanny, "options": options},
        "fast": {"cls": Nanny, "options": {**options, "resources": {"GPU": 1}}},
    }
    settings = {"dashboard_address": ":0", "port": 0, "allowed_failures": 1}
    scheduler = {"cls": Scheduler, "options": settings}
    with SpecCluster(workers, scheduler=scheduler, silence_logs=logging.CRITICAL) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    logger = logging.getLogger(dask_runner.__name__)
    for level in ("info", "error"):
        monkeypatch.setattr(
            logger, level, lambda text, *values, level=level: lines.append((level, text % values))
        )
    return lines


def toy(middle: Any) -> Pipeline:
    """first -> middle, slow -> join; second needs the first only."""
    return Pipeline(
        [
            Node(toy_nodes.first, "params:folder", "start", name="first"),
            Node(middle, ["params:folder", "start"], ["left", "right"], name="middle"),
            Node(toy_nodes.slow, ["params:folder", "start"], "other", name="slow"),
            Node(toy_nodes.second, ["params:folder", "start"], "aside", name="second"),
            Node(toy_nodes.join, ["left", "right", "other"], "joined", name="join"),
        ]
    )


DATASETS = ("start", "left", "right", "other", "aside", "joined", "where")


def catalog_in(folder: Path, save_version: str = VERSION, names: Any = DATASETS) -> DataCatalog:
    config = {
        name: {
            "type": "json.JSONDataset",
            "filepath": str(folder / f"{name}.json"),
            "versioned": True,
        }
        for name in names
    }
    catalog = DataCatalog.from_config(config, save_version=save_version)
    catalog["params:folder"] = MemoryDataset(str(folder))
    return catalog


def calls(folder: Path) -> Counter:
    return Counter((folder / "calls").read_text().split())


def versions(folder: Path, name: str) -> list[str]:
    return sorted(path.parent.name for path in (folder / f"{name}.json").glob("*/*.json"))


def read(folder: Path, name: str, version: str = VERSION) -> Any:
    return json.loads((folder / f"{name}.json/{version}/{name}.json").read_text())


def test_a_run_loads_what_it_saved_beside_a_newer_run(tmp_path, address):
    newer = tmp_path / "start.json/2999-01-01T00.00.00.000Z"
    newer.mkdir(parents=True)
    (newer / "start.json").write_text('{"value": 100}')
    pipeline = toy(toy_nodes.fail)
    (tmp_path / "mended").touch()
    catalog = catalog_in(tmp_path)
    outputs = DaskRunner(address).run(pipeline, catalog, run_id=VERSION)
    assert outputs["joined"].load() == {"value": 3}
    assert catalog["start"].resolve_load_version() == VERSION


def test_a_failed_node_keeps_the_others_and_says_how_to_go_on(tmp_path, said, address):
    with pytest.raises(InputError) as caught:
        DaskRunner(address).run(toy(toy_nodes.fail), catalog_in(tmp_path), run_id=VERSION)
    text = str(caught.value)
    assert text.startswith("Node 'middle' failed on worker tcp://")
    assert "KeyError: 'the\\nreason'" in text
    assert f"KEDRO_RUN_ID={VERSION} and --only-missing-outputs" in text
    errors = [message for level, message in said if level == "error"]
    assert len(errors) == 1
    assert "toy_nodes.py" in errors[0]  # the worker's traceback
    assert read(tmp_path, "other") == {"value": 1}
    assert read(tmp_path, "aside") == {"value": 2}

    (tmp_path / "mended").touch()
    DaskRunner(address).run(
        toy(toy_nodes.fail),
        catalog_in(tmp_path, "2026-01-03T00.00.00.000Z"),
        only_missing_outputs=True,
    )
    assert calls(tmp_path) == {"first": 1, "slow": 1, "second": 1, "fail": 2}
    assert read(tmp_path, "joined", "2026-01-03T00.00.00.000Z") == {"value": 3}
    assert versions(tmp_path, "start") == [VERSION]


def test_an_error_of_the_user_needs_no_traceback(tmp_path, said, address):
    with pytest.raises(
        InputError, match=r"\(The image 'a.png' is broken: replace it\): remove the"
    ):
        DaskRunner(address).run(toy(toy_nodes.refuse), catalog_in(tmp_path))
    assert not any("Traceback" in text for _, text in said)


def test_data_in_memory_are_refused_before_anything_runs(tmp_path):
    catalog = catalog_in(tmp_path, names=set(DATASETS) - {"left"})
    with pytest.raises(
        InputError, match=r"datasets \['left'\] would live in the memory .* add an entry"
    ):
        DaskRunner().run(toy(toy_nodes.fail), catalog)
    assert not (tmp_path / "calls").exists()


def where(tags: list[str]) -> Pipeline:
    return Pipeline(
        [
            Node(toy_nodes.first, "params:folder", "start", name="first"),
            Node(toy_nodes.where, ["params:folder", "start"], "where", name="where", tags=tags),
        ]
    )


def test_nodes_for_a_gpu_go_where_one_is(tmp_path, said, address):
    for version in ("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"):
        DaskRunner(address).run(where(["gpu"]), catalog_in(tmp_path, version))
        assert read(tmp_path, "where", version)["worker"] == "fast"
    assert not any("GPU" in text for _, text in said)


def test_inputs_that_workers_do_not_see(tmp_path, address):
    missing = Pipeline([Node(toy_nodes.second, ["params:folder", "left"], "aside", name="x")])
    with pytest.raises(InputError, match=r"Worker tcp.* cannot load 'left' \(it is not there\)"):
        DaskRunner(address).run(missing, catalog_in(tmp_path))


# From here on workers are missing now and then


def test_a_lost_worker_costs_its_node_only(tmp_path, said, address):
    DaskRunner(address).run(toy(toy_nodes.die_once), catalog_in(tmp_path), run_id=VERSION)
    # Dask may repeat what the lost worker was running beside, never what had finished.
    assert calls(tmp_path)["first"] == 1
    assert calls(tmp_path)["die_once"] == 2
    assert read(tmp_path, "joined") == {"value": 3}
    assert versions(tmp_path, "left") == versions(tmp_path, "right") == [VERSION]
    done = [text for level, text in said if text.startswith("Completed")]
    assert [text.split(": ")[0] for text in done] == [f"Completed {n} of 5" for n in range(1, 6)]
    assert done[-1] == "Completed 5 of 5: join"


def test_a_node_that_always_kills_its_worker(tmp_path, address):
    """Its neighbours, which Dask may blame with it, are repeated until they are done."""
    failed = r"Node 'middle' failed on worker \S+ \(its worker was lost 2 times"
    with pytest.raises(InputError, match=failed):
        DaskRunner(address).run(toy(toy_nodes.die), catalog_in(tmp_path))
    assert calls(tmp_path)["die"] == 4  # twice beside others and twice alone
    assert versions(tmp_path, "aside") == versions(tmp_path, "other") == [VERSION]


def test_without_a_gpu_any_worker_does_and_cores_are_shared(tmp_path, said, monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 7)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)  # a cluster leaves it behind
    DaskRunner(n_workers=1, threads_per_worker=2).run(where(["gpu"]), catalog_in(tmp_path))
    found = read(tmp_path, "where")
    assert found["threads"] == "3"
    assert not found["malloc_trims"]
    assert ("info", "No worker offers the resource GPU: any worker runs any node.") in said


def test_a_scheduler_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match=r"scheduler 'tcp://127.0.0.1:9' does not answer"):
        DaskRunner(address="tcp://127.0.0.1:9").run(where([]), catalog_in(tmp_path))


def test_settings_come_from_the_environment_and_the_command_line(tmp_path, monkeypatch):
    for env, text in (
        ("base", "n_workers: 3\nthreads_per_worker: 2\n"),
        ("local", "n_workers: 4\n"),
    ):
        (tmp_path / env).mkdir()
        (tmp_path / env / "dask.yml").write_text(text)
    loader = config_loader.ProjectConfigLoader(str(tmp_path), **config_loader.LOADER_ARGS)
    monkeypatch.setattr(config_loader, "_active", loader)
    assert read_settings({}) == DaskSettings(n_workers=4, threads_per_worker=2)
    assert read_settings({"n_workers": 1}).n_workers == 1
    with pytest.raises(InputError, match=r"n_workers=0 of the Dask cluster cannot be used"):
        read_settings({"n_workers": 0})
    (tmp_path / "local/dask.yml").write_text("workers: 1\n")
    with pytest.raises(InputError, match=r"Setting of dask.yml 'workers' is unknown: did you mean"):
        read_settings({})


def test_dask_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(dask_cluster, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[dask\]'"):
        DaskRunner()


def test_the_pages_of_its_own_cluster_are_for_this_machine_only() -> None:
    """They have no password."""
    import psutil

    def listening(process: psutil.Process) -> set[tuple[str, int]]:
        connections = process.net_connections("tcp")
        return {tuple(one.laddr) for one in connections if one.status == psutil.CONN_LISTEN}

    before = listening(psutil.Process())  # of other tests
    with dask_cluster.connect(dask_cluster.DaskSettings(n_workers=1)) as client:
        of_workers = client.run(os.getpid).values()
        processes = [psutil.Process(), *map(psutil.Process, of_workers)]
        places = set().union(*map(listening, processes)) - before
    assert {ip for ip, _ in places} <= {"127.0.0.1", "::1"}
    assert places
