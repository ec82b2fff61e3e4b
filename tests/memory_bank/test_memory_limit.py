"""A bank larger than ``memory_gib`` is made, stored and searched in a process that may take no more than that."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

BUDGET = 0.05  # GiB
PROGRAM = """
import json, os, sys, threading, time
from pathlib import Path
import numpy as np
from reb_pipeline.datasets.arrays import ArraysDataset
from reb_pipeline.memory_bank.allocation import GIB
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings

folder, budget, group = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
stored = ArraysDataset(
    filepath=str(folder / "bank.npz"), record="reb_pipeline.memory_bank.bank.MemoryBank"
)


def work(n_images, limit):
    rng = np.random.default_rng(0)
    patches = ((str(n), rng.random((28, 28, 64), np.float32)) for n in range(n_images))
    stored.save(collect_patches(patches, n_images, {}, memory_gib=limit))
    bank = stored.load()
    coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=3e-4, seed=0), None, limit)
    measure_local_density(bank, coreset, 9, None)
    search_own_images(bank, coreset, set(bank.image_ids[:20]), 9, "cpu")
    return bank.features.nbytes / GIB


def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024 / GIB


def watch():
    while True:
        highest.append(max(highest.pop(), anonymous()))
        time.sleep(0.002)


work(10, 1.0)  # the libraries take their share
(folder / "bank.npz").unlink()
start = anonymous()
if group:
    file = "memory.max" if (Path(group) / "memory.max").exists() else "memory.limit_in_bytes"
    (Path(group) / file).write_text(str(int((start + budget) * GIB)))
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
highest = [start]
threading.Thread(target=watch, daemon=True).start()
bank = work(700, budget)
print(json.dumps({"bank": bank, "taken": highest[0] - start}))
"""


@pytest.fixture
def group():
    """A memory cgroup below that of this process; empty text where none may be made."""
    made = ""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, place = line.split(":", 2)
            root = {"memory": "/sys/fs/cgroup/memory", "": "/sys/fs/cgroup"}.get(controllers)
            if root and not made:
                folder = Path(f"{root}{place}", f"reb_test_{os.getpid()}")
                with suppress(OSError):
                    folder.mkdir()
                    if {"memory.max", "memory.limit_in_bytes"} & set(os.listdir(folder)):
                        made = str(folder)
                    else:
                        folder.rmdir()
    yield made
    if made:
        Path(made).rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted by Linux")
def test_a_bank_larger_than_its_budget_takes_no_more(tmp_path, group):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(BUDGET), group],
        env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr  # -9 if the kernel ended it for its memory
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["bank"] > 2.5 * BUDGET
    assert found["taken"] < BUDGET
