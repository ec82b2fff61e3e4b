"""Survey of stored runs, and removal of exactly what no kept run needs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pages import DOCS
from reb_pipeline.commands.main import main
from reb_pipeline.core.folder_files import FolderFiles
from reb_pipeline.project.stored import MANIFEST, lock_folder, survey

DATASETS = (
    "06_models/mono/bank.npz",
    "06_models/mono/model",
    "06_models/poly/bank.npz",
    "08_reporting/summary.json",
)
HISTORY = "07_model_output/mono/inspections.parquet"
FOLDER_OF_DATASET = ("06_models/mono/model",)


def moment(number: int) -> str:
    return f"2026-01-{number + 1:02}T00.00.00.000Z"


def save(root: Path, dataset: str, version: str, content: str = "x") -> None:
    path = root / dataset / version / Path(dataset).name
    if dataset in FOLDER_OF_DATASET:
        path /= "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def save_manifest(root: Path, run_id: str, version: str | None = None, **content: object) -> None:
    manifest = {
        "run_id": run_id,
        "finished": True,
        "inputs": {},
        "outputs": {},
        "files": {},
        **content,
    }
    save(root, MANIFEST, version or run_id, json.dumps(manifest))


def all_files(root: Path) -> set[Path]:
    return {file for file in root.rglob("*") if file.is_file() and file.name != "run.lock"}


def versions(root: Path, dataset: str) -> list[str]:
    folder = root / dataset
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "made": st.sets(st.sampled_from(DATASETS)),
            "read": st.dictionaries(st.sampled_from(DATASETS), st.integers(0, 9), max_size=3),
            "finished": st.sampled_from([True, True, True, False]),
            "recorded": st.sampled_from([True, True, True, False]),  # the paths of datasets
            "is_part": st.booleans(),  # its manifest has a version of its own
            "known": st.sampled_from([True] * 5 + [False]),  # has a manifest at all
        }
    ),
    min_size=1,
    max_size=9,
)


def make(root: Path, runs: list[dict]) -> tuple[dict, dict]:
    """Store what runs would; returns the pinned (dataset, version) by run id, and which runs have a manifest."""
    pinned, known = {}, {}
    for number, run in enumerate(runs):
        run_id = moment(number)
        read = {}
        for dataset, choice in run["read"].items():
            there = versions(root, dataset)
            if there:
                read[dataset] = there[choice % len(there)]
        for dataset in run["made"]:
            save(root, dataset, run_id)
        if not run["known"]:
            continue
        files = {f"name of {dataset}": dataset for dataset in {*read, *run["made"]}}
        content = {
            "finished": run["finished"],
            "inputs": {f"name of {name}": version for name, version in read.items()}
            | {"raw": {"path": "photos"}},
        }
        if run["finished"]:
            content["outputs"] = {f"name of {name}": run_id for name in run["made"]}
        if run["recorded"]:
            content["files"] = files
        version = run_id.replace("000Z", "007Z") if run["is_part"] else None
        save_manifest(root, run_id, version, **content)
        if not run["recorded"]:
            file = root / MANIFEST / (version or run_id) / "run_manifest.json"
            whole = json.loads(file.read_text())
            file.write_text(json.dumps({key: whole[key] for key in whole if key != "files"}))
        pinned[run_id] = set(read.items()) | {(name, run_id) for name in run["made"]}
        known[run_id] = run
    return pinned, known


@settings(max_examples=40, deadline=None)
@given(RUNS, st.integers(1, 3))
def test_what_is_removed_is_what_was_shown_and_no_kept_run_needs_it(runs, keep):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        save_manifest(root, moment(10))  # a finished run that made nothing
        pinned, known = make(root, runs)
        before = all_files(root)
        newest = {dataset: versions(root, dataset)[-1:] for dataset in DATASETS}

        found = survey(root, keep)
        assert main(["prune", str(root), "--keep", str(keep)]) == 0
        assert all_files(root) == before  # nothing without --yes
        assert main(["prune", str(root), "--keep", str(keep), "--yes"]) == 0

        after = all_files(root)
        shown = {
            file for part in found.removable for file in before if file.is_relative_to(part.path)
        }
        assert before - after == shown
        assert after <= before

        finished = sorted([moment(10), *(run_id for run_id in known if known[run_id]["finished"])])
        oldest = finished[-keep] if len(finished) >= keep else ""
        kept = {run_id for run_id in known if run_id >= oldest}
        kept |= {
            v for (v,) in filter(None, newest.values()) if v in known and not known[v]["finished"]
        }
        needed = set().union(*(pinned[run_id] for run_id in kept)) if kept else set()
        vague = {v for run_id in kept if not known[run_id]["recorded"] for _, v in pinned[run_id]}
        for dataset in DATASETS:
            there = versions(root, dataset)
            assert there[-1:] == newest[dataset]
            for number in range(len(runs)):
                version = moment(number)
                if dataset not in runs[number]["made"]:
                    continue
                expected = (
                    (dataset, version) in needed
                    or version in vague
                    or [version] == newest[dataset]
                    or version not in known
                    or version in kept
                )
                assert (version in there) == expected
        # Whatever is left has its manifest.
        left = {version for dataset in DATASETS for version in versions(root, dataset)} & set(known)
        manifests = {
            json.loads((root / MANIFEST / v / "run_manifest.json").read_text())["run_id"]
            for v in versions(root, MANIFEST)
        }
        assert manifests == left | kept | {moment(10)}
        assert not survey(root, keep).removable  # nothing is left to remove


def prune(capsys, root, *options):
    status = main(["prune", str(root), *options])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def results(tmp_path):
    """Results of five runs of one bank, each read by the run after it."""
    for number in range(5):
        save(tmp_path, DATASETS[0], moment(number), "x" * 1000)
        save_manifest(
            tmp_path,
            moment(number),
            inputs={"mono.bank_before": moment(number - 1)} if number else {},
            outputs={"mono.bank": moment(number)},
            files={"mono.bank": DATASETS[0], "mono.bank_before": DATASETS[0]},
            run={"pipeline_names": ["bank_update"]},
        )
    return tmp_path


def test_the_table_names_runs_and_sizes(results, capsys):
    status, out, _ = prune(capsys, results, "--keep", "2")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].split() == ["takes", "to", "remove"]
    assert [line.split()[:2] for line in lines[1:6]] == [
        [moment(number), "bank_update;" if number > 2 else "bank_update"] for number in range(5)
    ]
    assert [line.endswith("-") for line in lines[1:6]] == [False, False, True, True, True]
    assert lines[-1].startswith("Nothing was removed: add --yes to remove ")


def test_versions_that_kept_runs_read_stay(results, capsys):
    assert prune(capsys, results, "--keep", "2", "--yes")[0] == 0
    assert versions(results, DATASETS[0]) == [moment(2), moment(3), moment(4)]
    assert prune(capsys, results, "--keep", "2")[1].endswith("There is nothing to remove.\n")


def test_fewer_runs_than_are_kept_stay(results, capsys):
    assert "There is nothing to remove." in prune(capsys, results, "--keep", "5", "--yes")[1]
    with pytest.raises(SystemExit, match="2"):
        prune(capsys, results, "--keep", "0")


def test_an_empty_later_version_is_not_the_newest(results, capsys):
    """A killed run leaves the folder of a version without its file; Kedro loads the one before."""
    shutil.rmtree(results / MANIFEST / moment(4))
    (results / DATASETS[0] / moment(9)).mkdir()
    save_manifest(results, moment(9), finished=False)
    for number in (10, 11):
        save_manifest(results, moment(number))
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert versions(results, DATASETS[0]) == [moment(4)]


def test_an_interrupted_run_whose_results_are_the_newest_keeps_what_it_began_with(results, capsys):
    save_manifest(
        results, moment(4), finished=False, inputs={"mono.bank_before": moment(1)},
        files={"mono.bank_before": DATASETS[0]},
    )  # fmt: skip
    for number in (10, 11):
        save_manifest(results, moment(number))
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert versions(results, DATASETS[0]) == [moment(1), moment(4)]


def test_what_the_next_run_goes_on_from_stays(results, capsys):
    for number in range(3):
        save(results, HISTORY, moment(number))
    stay = [
        "05_model_input/mono/finetuning_checkpoint.pt", "07_model_output/mono/inspection_files/journal/1.json",
        "01_raw/mono/2026-01-01T00.00.00.000Z/0.png", "06_models/mono/notes.txt",
    ]  # fmt: skip
    for name in stay:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("x")
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert versions(results, HISTORY) == [moment(0), moment(1), moment(2)]
    assert all((results / name).exists() for name in stay)


def test_a_folder_that_a_kept_run_read_whole_stays(results, capsys):
    path = results / DATASETS[0]
    save_manifest(
        results, moment(9), inputs={"mono.banks": {"filepath": str(path), "protocol": "file"}}
    )
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert len(versions(results, DATASETS[0])) == 5


def entries(root: Path, category: str = "mono") -> FolderFiles:
    import fsspec

    return FolderFiles(
        str(root / f"04_feature/{category}/study_cache"), fsspec.filesystem("file"), create=True
    )


def written_at(cache: FolderFiles, name: str, number: int) -> None:
    cache[name] = b"x" * 500
    at = datetime(2026, 1, number + 1, 12, tzinfo=UTC).timestamp()
    os.utime(cache._key_to_str(name), (at, at))


def test_entries_of_study_caches_stay_if_a_needed_run_used_them(results, capsys):
    cache, other = entries(results), entries(results, "poly")
    written_at(cache, "features/old.npz", 0)
    written_at(cache, "features/of_study.npz", 2)
    written_at(cache, "features/read.npz", 0)
    written_at(other, "features/nobody.npz", 3)
    reads = {"mono.study_cache": {"path": "…"}}
    study = "08_reporting/study_alpha_table.parquet"
    save(results, study, moment(2))
    save_manifest(
        results, moment(2), inputs=reads, outputs={"study": moment(2)}, files={"study": study}
    )
    cache["features/read.npz"]  # as the study does
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert sorted(cache) == [
        "features/of_study.npz",
        "features/read.npz",
    ]  # its table is the newest
    assert sorted(other) == []


def test_entries_stay_if_a_run_of_an_older_version_used_the_cache(results, capsys):
    cache = entries(results)
    written_at(cache, "features/old.npz", 0)
    save_manifest(results, moment(9), inputs={"mono.study_cache": {"path": "…"}})
    file = results / MANIFEST / moment(9) / "run_manifest.json"
    file.write_text(
        json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != "files"})
    )
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert sorted(cache) == ["features/old.npz"]


def test_a_damaged_manifest_of_a_kept_run_is_refused(results, capsys):
    before = all_files(results)
    (results / MANIFEST / moment(4) / "run_manifest.json").write_text("{")
    status, _, err = prune(capsys, results, "--keep", "1", "--yes")
    assert status == 2
    assert "run_manifest.json' cannot be read, so that it is not known what its run needs" in err
    assert all_files(results) == before


def test_what_an_older_damaged_manifest_names_stays(results, capsys):
    (results / MANIFEST / moment(0) / "run_manifest.json").write_text("[]")
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert versions(results, DATASETS[0]) == [moment(0), moment(3), moment(4)]


def test_links_are_neither_followed_nor_removed(results, capsys, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "bank.npz").write_text("x")
    (results / DATASETS[0] / moment(0)).rename(elsewhere / "moved")
    (results / DATASETS[0] / moment(0)).symlink_to(elsewhere / "moved")
    assert prune(capsys, results, "--keep", "1", "--yes")[0] == 0
    assert (results / DATASETS[0] / moment(0) / "bank.npz").exists()


@pytest.mark.parametrize("options", [(), ("--yes",)])
def test_nothing_happens_while_a_run_writes(results, capsys, options):
    hold = (
        "import sys\nfrom reb_pipeline.project.folder_lock import FolderLock\n"
        f"FolderLock({str(results)!r}).take(['mono'], shared=True)\nprint('held', flush=True)\nsys.stdin.read()"
    )
    before = all_files(results)
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "held\n"
        status, _, err = prune(capsys, results, *options)
        run.kill()
    assert (status, err) == (
        2,
        f"Error: A run is writing into '{results}': wait until it has ended.\n",
    )
    assert all_files(results) == before


def test_the_commands_of_the_page_are_understood(results, capsys):
    shown = re.findall(
        r"^reb (prune data[^#\n]*)", (DOCS / "how-to/data.md").read_text(), re.MULTILINE
    )
    assert len(shown) == 3
    for line in shown:
        name, _, *options = shlex.split(line)
        assert main([name, str(results), *options]) == 0
    assert versions(results, DATASETS[0]) == [moment(number) for number in range(1, 5)]
    assert "were removed." in capsys.readouterr().out


def test_the_lock_is_given_back(results, capsys):
    prune(capsys, results)
    lock_folder(results).release()


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("s3://bucket/results", "is no local folder"),
        ("nowhere", "holds no results of runs"),
        ("", "holds no results"),
    ],
)
def test_other_places_are_refused(tmp_path, capsys, place, fault):
    status, out, err = prune(capsys, place if "://" in place else tmp_path / place)
    assert (status, out) == (2, "")
    assert fault in err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_is_named(results, capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    status, _, err = prune(capsys, results, "--keep", "1", "--yes")
    assert status == 2
    assert "cannot be written (Permission denied)" in err
