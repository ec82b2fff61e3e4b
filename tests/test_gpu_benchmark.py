"""The benchmark for a GPU, tried on the processor at sizes that say nothing about speed."""

import json
import sys

import pytest
from benchmarks import gpu
from benchmarks.peers.case import Settings

pytest.importorskip("elpv_dataset")
IN_PROCESS = ("features torch 1", "coreset 20000", "density bank", "search 9", "inspection torch ldknn",
              "finetuning")  # fmt: skip


def test_every_step_is_measured_on_the_processor(tmp_path):
    settings = Settings(tmp_path, weights=None, quick=True, device="cpu")
    limits = {"flops": 1e11, "bandwidth": 1e10}
    assert set(IN_PROCESS) < set(gpu.STEPS)
    for step in IN_PROCESS:
        found = gpu.measure(step, settings, data_root=None, repeats=1)
        if step == "finetuning":
            assert all(rate > 0 for rate in found["images_a_second"].values())
        else:
            assert len(found["ours"]) == 1
            assert 0 < gpu.share_of_limit(found, limits) < 1


def test_solar_cells_take_the_place_of_a_category(tmp_path):
    settings = Settings(tmp_path, weights=None, quick=True)
    root = gpu.as_mvtec_ad(tmp_path / "screw", settings)
    names = {path.relative_to(root).as_posix() for path in root.rglob("*.png")}
    assert {"screw/train/good/003.png", "screw/test/defect/003.png"} < names
    assert "screw/ground_truth/defect/003_mask.png" in names


def test_a_step_that_fails_or_takes_too_long_costs_no_other(tmp_path):
    programs = {
        "limits": 'print(\'{"flops": 1e9, "bandwidth": 1e9}\')',
        "tests": "raise SystemExit('broken')",
        "search 9": 'print(\'{"ours": [2.0], "flop": 1e9, "moved": 0}\')',
        "finetuning": "import time; time.sleep(60)",
        "category": "print('{}')",
    }
    file = tmp_path / "out/results.jsonl"

    def command_of(step):
        if step == "finetuning":
            assert len(file.read_text().splitlines()) == 3  # stored as they came
        return [sys.executable, "-S", "-c", programs[step]]

    gpu.run_steps(programs, command_of, seconds=5, file=file)

    records = {one["step"]: one for one in map(json.loads, file.read_text().splitlines())}
    assert list(records) == list(programs)
    assert records["tests"]["status"] == "failed"
    assert "broken" in records["tests"]["error"]
    assert records["search 9"]["share_of_limit"] == 0.5
    assert records["finetuning"]["status"].startswith("stopped")
    assert records["category"]["status"].startswith("not begun")
