"""Sessions in every way that Kedro's documentation shows, most of them without the project's session class."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kedro.framework.project import configure_project, settings
from kedro.framework.session import KedroServiceSession, KedroSession
from kedro.framework.startup import bootstrap_project

import miniatures
from conftest import ROOT, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters import loader
from reb_pipeline.project.folder_lock import FolderLock

INGESTION = {"pipeline_names": ["ingestion"]}
RUN_ID = "2026-01-02T03.04.05.678Z"


@pytest.fixture
def given(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "_active", None)  # whatever environment was there comes back
    return {
        "data_root": str(miniatures.make_elpv(tmp_path / "images")),
        "output_root": str(tmp_path / "out"),
    }


def categories_of(given):
    return {path.name for path in Path(given["output_root"], "03_primary").iterdir()}


def unreadable(share):
    return {"ingestion": {"max_unreadable_share": share}}


def share_of(given):
    """The parameter of the newest run, which is finished."""
    manifest = read_json(Path(given["output_root"], "08_reporting"), "run_manifest.json")
    assert manifest["finished"] is True
    (share,) = {
        values["ingestion"]["max_unreadable_share"]
        for values in manifest["parameters"].values()
        if "ingestion" in values
    }
    return share


def test_session_of_a_project_from_another_folder(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, runtime_params=given) as session:
        outputs = session.run(**INGESTION)
    assert set(outputs) == {"mono.samples", "poly.samples"}
    assert len(outputs["mono.samples"].load()) == 16
    assert read_json(tmp_path / "out/08_reporting", "run_manifest.json")["finished"] is True


def test_session_in_the_folder_of_the_project(given, monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")
    bootstrap_project(ROOT)
    with KedroSession.create(runtime_params=given) as session:
        session.run(**INGESTION)
    assert categories_of(given) == {"mono", "poly"}


def test_session_of_the_package_in_a_folder_without_configuration(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure_project("reb_pipeline")
    with KedroSession.create(runtime_params=given) as session:
        session.run(**INGESTION)
    assert categories_of(given) == {"mono", "poly"}


def test_session_with_another_configuration(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "conf", tmp_path / "settings")
    file = tmp_path / "settings/base/globals.yml"
    file.write_text(file.read_text().replace("[mono, poly]", "[mono]"))
    configure_project("reb_pipeline")
    with KedroSession.create(
        conf_source=str(tmp_path / "settings"), runtime_params=given
    ) as session:
        session.run(**INGESTION)
    assert categories_of(given) == {"mono"}


@pytest.mark.parametrize("between", [bootstrap_project, None])
def test_sessions_of_two_environments_follow_each_other(given, tmp_path, between):
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, runtime_params=given) as session:
        session.run(**INGESTION)
    if between:
        between(ROOT)
    given |= {"data_root": str(miniatures.make_plain_folder(tmp_path / "folder", "part"))}
    with KedroSession.create(ROOT, env="folder", runtime_params=given) as session:
        session.run(**INGESTION, namespaces=["part"])
    assert categories_of(given) == {"mono", "poly", "part"}


@pytest.mark.parametrize("serving", [False, True])
def test_one_service_session_runs_an_environment_several_times(given, tmp_path, serving):
    bootstrap_project(ROOT)
    given |= {"data_root": str(miniatures.make_plain_folder(tmp_path / "folder", "part"))}
    with KedroServiceSession.create(
        project_path=ROOT, env="folder", serving_mode=serving
    ) as session:
        for share in (0.1, 0.2):
            session.run(**INGESTION, runtime_params={**given, **unreadable(share)})
            assert share_of(given) == share


def test_service_sessions_side_by_side_keep_their_parameters(given, tmp_path):
    bootstrap_project(ROOT)
    session = KedroServiceSession.create(project_path=ROOT, serving_mode=True)
    roots = [str(tmp_path / f"out_{number}") for number in range(2)]

    def run(number):
        runtime_params = {**given, "output_root": roots[number], **unreadable(number / 10)}
        session.run(**INGESTION, runtime_params=runtime_params)

    threads = [threading.Thread(target=run, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [share_of({"output_root": root}) for root in roots] == [0, 0.1]


def test_a_run_of_the_same_process_is_another_run(given):
    lock = FolderLock(given["output_root"])
    lock.take(["poly"], shared=False)
    bootstrap_project(ROOT)
    session = KedroServiceSession.create(project_path=ROOT)
    with pytest.raises(InputError, match="Another run is writing results"):
        session.run(**INGESTION, runtime_params=given)
    lock.release()
    session.run(**INGESTION, runtime_params=given)
    assert categories_of(given) == {"mono", "poly"}


@pytest.mark.parametrize("kind", [KedroSession, None])
def test_any_session_is_a_part_of_the_run_that_the_environment_names(given, monkeypatch, kind):
    monkeypatch.setenv("KEDRO_RUN_ID", RUN_ID)
    bootstrap_project(ROOT)
    for node in ("inspect_images", "audit_samples"):
        with (kind or settings.SESSION_CLASS).create(ROOT, runtime_params=given) as session:
            session.run(node_names=[f"mono.ingestion.{node}"])
    out = Path(given["output_root"])
    for file in ("inventory.parquet", "audit.json"):
        assert {p.name for p in (out / "02_intermediate/mono" / file).iterdir()} == {RUN_ID}
    manifest = read_json(out / "08_reporting", "run_manifest.json")
    assert manifest["run_id"] == RUN_ID
    assert manifest["inputs"]["mono.inventory"] == RUN_ID


@pytest.mark.parametrize(
    "create",
    [
        lambda: KedroSession.create(ROOT).load_context(),
        lambda: KedroServiceSession.create(project_path=ROOT).load_context(),
    ],
)
def test_what_is_no_version_is_refused_by_any_session(monkeypatch, create):
    monkeypatch.setattr(loader, "_active", None)
    monkeypatch.setenv("KEDRO_RUN_ID", "yesterday")
    bootstrap_project(ROOT)
    with pytest.raises(InputError, match="KEDRO_RUN_ID='yesterday' is no version"):
        create()


def test_a_script_ends_with_one_sentence(tmp_path):
    program = (
        "from pathlib import Path\n"
        "from kedro.framework.session import KedroSession\n"
        "from kedro.framework.startup import bootstrap_project\n"
        f"root = Path({str(ROOT)!r})\n"
        "bootstrap_project(root)\n"
        "with KedroSession.create(root, runtime_params={'data_root': '/nowhere'}) as session:\n"
        "    session.run()\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("Error: Data root '/nowhere' does not exist")
    assert "Traceback" not in finished.stderr
