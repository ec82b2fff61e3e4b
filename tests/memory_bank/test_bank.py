import logging
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.allocation import GIB
from reb_pipeline.memory_bank.bank import collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.nearest_patches import search_images, search_other_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings

GRIDS = np.random.default_rng(0).random((6, 4, 5, 8), np.float32)
IN_A_FILE = GRIDS.nbytes / GIB * 1.9  # the features are more than half of it


def collect(distance="euclidean", memory_gib=1.0):
    patches = ((str(index), grid) for index, grid in enumerate(GRIDS))
    return collect_patches(
        patches, len(GRIDS), {}, MemoryBankSettings(distance=distance), memory_gib
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "mahalanobis"])
def test_collected_in_a_file_as_in_memory(distance, folder, caplog):
    in_memory = collect(distance)
    assert not isinstance(in_memory.features, np.memmap)
    with caplog.at_level(logging.INFO):
        in_file = collect(distance, IN_A_FILE)
    assert f"it is collected in a temporary file in {folder}" in caplog.text
    assert isinstance(in_file.features, np.memmap)
    np.testing.assert_array_equal(in_file.features, in_memory.features)


def test_half_of_the_budget_is_collected_in_memory(folder, caplog):
    with caplog.at_level(logging.INFO):
        bank = collect(memory_gib=GRIDS.nbytes / GIB * 2)
    assert not isinstance(bank.features, np.memmap)
    assert not caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_is_gone_with_the_bank(folder):
    bank = collect(memory_gib=IN_A_FILE)
    assert list(folder.iterdir()) == []  # nothing that a kill could leave behind
    assert str(folder) in Path("/proc/self/maps").read_text(encoding="utf-8")
    del bank
    assert str(folder) not in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_no_room_for_the_file(folder, monkeypatch):
    usage = SimpleNamespace(free=GRIDS.nbytes - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"temporary disk space, but .* TMPDIR .*memory_gib = "):
        collect(memory_gib=IN_A_FILE)


def test_a_bank_in_a_file_that_cannot_be_written_serves_every_step(tmp_path):
    in_memory = collect()
    np.save(tmp_path / "features.npy", in_memory.features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    in_file = type(in_memory)(**{**vars(in_memory), "features": mapped})
    for ratio in (0.3, 1):
        results = []
        for bank in (in_memory, in_file):
            coreset = select_coreset(bank, MemoryBankSettings(coreset_ratio=ratio, seed=0))
            queries = [("a", GRIDS[0] + 0.1)]
            found = search_images(queries, coreset.of(bank), 3)
            others = search_other_images(bank, coreset, 2)
            density = measure_local_density(bank, coreset, 5)
            results.append([coreset.rows, found.squared_distances, found.rows])
            results[-1] += [others.squared_distances, others.rows, density.squared_distances]
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)
