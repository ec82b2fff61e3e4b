"""Paths, locks, signals and open files as Windows has them; a stand-in takes away what Windows lacks."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reb_pipeline.core import atomic, storage, temporary
from reb_pipeline.core.folder_files import FolderFiles, portable_name
from reb_pipeline.core.memory import total_bytes
from reb_pipeline.core.storage import StorageError
from reb_pipeline.inspection.marks import Mark
from reb_pipeline.project.folder_lock import FolderLock
from reb_pipeline.project.photos import category_name
from reb_pipeline.project.training import replace_models
from reb_pipeline.service import server
from reb_pipeline.service.marks import MarksFile

NOT_THERE = {"os": ("statvfs", "sysconf", "posix_fallocate"), "signal": ("SIGHUP", "SIGKILL")}


@pytest.fixture
def windows(monkeypatch):
    """Take away what only POSIX has."""
    for module in ("fcntl", "resource", "pwd", "grp"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in NOT_THERE["os"]:
        monkeypatch.delattr(os, name)
    for name in NOT_THERE["signal"]:
        monkeypatch.delattr(signal, name)


def test_runs_go_on_without_locks(windows, tmp_path):
    lock = FolderLock(str(tmp_path))
    lock.take(["bolt"], shared=False)
    with lock.alone_at(str(tmp_path / "metrics.csv")):
        pass
    lock.remove_remains(["bolt"])
    lock.release()
    with temporary.temporary_folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()


def test_marks_of_the_service_are_stored_without_locks(windows, tmp_path):
    marks = MarksFile(tmp_path / "marks.json")
    mark = Mark("0" * 64, "good", "missed", "2026-01-31T09:15:00Z")
    marks.put(mark)
    assert marks.read() == [mark]
    marks.remove(mark.image_sha256)
    assert marks.read() == []


def test_the_service_stops_by_the_signals_that_there_are(windows):
    assert server._stopping_signals() == [signal.SIGTERM, signal.SIGINT]
    assert server._most_connections() == server.MOST_CONNECTIONS


def test_memory_and_disk_space_that_nobody_knows(windows, tmp_path, monkeypatch):
    assert total_bytes() is None
    array = storage.mapped_array(tmp_path / "array.npy", "float32", (4, 4))
    assert array.shape == (4, 4)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageError, match="allow to write in"):
        storage.check_writable(tmp_path / "x/report.html")


class Open:
    """File that another program has open: it can be replaced after some attempts."""

    def __init__(self, attempts):
        self.left, self.move = attempts, os.replace

    def __call__(self, source, target):
        if self.left:
            self.left -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(target))
        self.move(source, target)


@pytest.mark.parametrize(("attempts", "is_written"), [(0, True), (3, True), (99, False)])
def test_a_file_that_another_program_has_open(attempts, is_written, tmp_path, monkeypatch):
    """As a spreadsheet has a table, or a virus scanner any file."""
    atomic.register()
    files = FolderFiles(str(tmp_path), fsspec.filesystem("file"))
    files["inspections.csv"] = b"before"
    monkeypatch.setattr(os, "replace", Open(attempts))
    monkeypatch.setattr(atomic.time, "sleep", lambda seconds: None)
    if is_written:
        files["inspections.csv"] = b"after"
    else:
        sentence = r"inspections.csv' cannot be written \(.*\): close it where it is open, allow"
        with pytest.raises(StorageError, match=sentence):
            files["inspections.csv"] = b"after"
    assert files["inspections.csv"] == (b"after" if is_written else b"before")
    assert [path.name for path in tmp_path.iterdir()] == ["inspections.csv"]


def test_a_model_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    for name in ("x.model", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bank.npz").write_text(name)
    rename = Path.rename

    def refuse(self, target):
        if self.name.endswith(".partial"):
            raise PermissionError(errno.EACCES, "")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError, match=r"x.model' cannot be written"):
        replace_models(tmp_path / "x.model", {"": tmp_path / "new"})
    assert (tmp_path / "x.model/bank.npz").read_text() == "x.model"


@pytest.mark.parametrize("name", ["con", "NUL", "aux", "com1", "Lpt9", "prn"])
def test_a_category_has_no_name_of_a_device(name):
    assert category_name(name) == f"_{name}"


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1))
def test_every_name_becomes_one_that_windows_can_have(text):
    name = portable_name(text)
    assert name
    assert not set('<>:"|?*\\') & set(name)
    assert name == name.rstrip(". ")
    assert not PureWindowsPath(name).is_reserved()
    assert PureWindowsPath("folder", name).parts == ("folder", name)
    assert portable_name(name) == name


def test_a_console_that_knows_few_signs(tmp_path):
    """As a console of Windows, which cannot print the name of every file."""
    program = (
        "import click, sys\n"
        "from reb_pipeline.core.command_line import run\n"
        "@click.command()\n"
        "def command():\n"
        "    click.echo('α → ✓')\n"
        "sys.exit(run(command, 'x', []))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        check=False,
        capture_output=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"? ? ?"), done.stderr
