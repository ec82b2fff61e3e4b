"""Two runs do not write results of one category into one folder."""

import subprocess
import sys

import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.project.folder_lock import LOCK, FolderLock

HOLD = (
    "import sys\n"
    "from reb_pipeline.project.folder_lock import FolderLock\n"
    "FolderLock(sys.argv[1]).take(['mono', ''], shared=sys.argv[2] == 'shared')\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.fixture
def hold(tmp_path):
    """Let another process take the lock of `mono`, alone or shared."""
    started = []

    def start(kind):
        command = [sys.executable, "-c", HOLD, str(tmp_path), kind]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_run_of_a_category_is_refused_until_the_first_has_ended(tmp_path, hold):
    first, lock = hold("alone"), FolderLock(str(tmp_path))
    lock.take(["poly"], shared=False)  # another category
    lock.release()
    with pytest.raises(InputError, match=r"Another run is writing results of mono into .*wait"):
        lock.take(["mono", "poly"], shared=False)
    with pytest.raises(InputError, match="Another run is writing results of all categories"):
        lock.take([""], shared=True)
    first.kill()
    first.wait()
    lock.take(["mono", "poly", ""], shared=False)
    lock.release()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_parts_of_one_run_share_it(tmp_path, hold):
    hold("shared")
    lock = FolderLock(str(tmp_path))
    lock.take(["mono"], shared=True)
    with pytest.raises(InputError, match="Another run"):
        FolderLock(str(tmp_path)).take(["mono"], shared=False)


def test_object_storage_has_no_lock():
    lock = FolderLock("s3://bucket/reb")
    lock.take(["mono"], shared=False)
    lock.release()


def test_unfinished_files_of_killed_runs_are_removed_below_the_lock(tmp_path):
    of = {name: tmp_path / place for name, place in (
        ("mono", "06_models/mono/bank.npz/v/.bank.npz.1.partial"),
        ("poly", "06_models/poly/bank.npz/v/.bank.npz.2.partial"),
        ("", "08_reporting/summary.parquet/v/.summary.parquet.3.partial"),
    )}  # fmt: skip
    kept = tmp_path / "06_models/mono/bank.npz/v/bank.npz"
    for file in (*of.values(), kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    lock = FolderLock(str(tmp_path))
    lock.take(["mono", ""], shared=False)
    lock.remove_remains(["mono", "poly"])
    lock.release()
    assert [name for name, file in of.items() if file.exists()] == ["poly"]
    assert kept.exists()
    assert not of[""].parent.exists()  # a version without a file


def test_unfinished_manifests_are_removed_by_the_run_that_writes_one(tmp_path, hold):
    hold("alone")  # of everything
    manifest = tmp_path / "08_reporting/run_manifest.json"
    remains = manifest / "2026/.run_manifest.json.1.partial"
    remains.parent.mkdir(parents=True)
    remains.touch()
    lock = FolderLock(str(tmp_path))
    lock.take(["poly"], shared=False)
    with lock.alone_at(str(manifest)):
        assert not remains.parent.exists()
    lock.release()
    with FolderLock("s3://bucket/reb").alone_at(str(manifest)):  # nothing is locked
        pass
