"""Temporary folders do not outlive the run after the one that made them."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from reb_pipeline.core.temporary import PREFIX, temporary_folder

KILLED = (
    "import os, signal\n"
    "from reb_pipeline.core.temporary import temporary_folder\n"
    "with temporary_folder() as folder:\n"
    "    (folder / 'images.npy').write_bytes(b'pixels')\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n"
)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def make_old(path):
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))


def test_what_a_killed_process_left_is_removed(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    (left,) = tmp_path.glob(f"{PREFIX}*")
    with temporary_folder():
        assert left.exists()  # too young to tell from one that is being made
    make_old(left)
    with temporary_folder() as folder:
        assert not left.exists()
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_folders_in_use_stay(tmp_path):
    with temporary_folder() as first:
        make_old(first)
        with temporary_folder() as second:
            assert first.exists()
            assert second != first
    assert list(tmp_path.iterdir()) == []
