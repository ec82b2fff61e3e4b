"""Every pipeline of the project reaches no other machine, and leaves nothing below the home directory."""

import json

import miniatures
from conftest import ROOT, SMALL
from observed import Observed

GRID = {"representation": ["imagenet"], "detector": ["nearest", "ldknn"]}
PIPELINES = [
    "full", "packaging", "inspection", "feature_reconstruction", "hybrid", "pixel_reconstruction",
    "studies_arms", "selection",
]  # fmt: skip
LATER = ["drift", "bank_update", "compare"]  # they read what the others have written
RUN = """
import json, os, sys
from pathlib import Path
from kedro.framework.project import settings
from kedro.framework.startup import bootstrap_project
root, params, *runs = sys.argv[1:]
os.chdir(root)
bootstrap_project(Path(root))
for run in runs:
    with settings.SESSION_CLASS.create(
        Path(root), env="folder", runtime_params=json.loads(params)
    ) as session:
        session.run(pipeline_names=run.split())
"""


def test_all_pipelines(tmp_path):
    data = miniatures.make_plain_folder(tmp_path / "images", category="part")
    miniatures.write_good(tmp_path / "new", 2, seed=300)
    miniatures.write_good(tmp_path / "more", 1, seed=400)
    params = {
        "data_root": str(data),
        "output_root": str(tmp_path / "out"),
        **SMALL,
        "packaging": {"allow_undecided": True},
        "inspection": {"input": str(tmp_path / "new"), "allow_undecided": True},
        "bank_update": {"add": str(tmp_path / "more")},
        "feature_reconstruction": {"updates": 2},
        "pixel_reconstruction": {"updates": 2, "image_size": 32},
        "studies": {"arms": {"grids": [GRID], "max_neighbors": 9}},
        "selection": {"grids": [GRID], "oracle_grids": [], "max_neighbors": 9},
    }
    runs = [" ".join(PIPELINES), *LATER]
    observed = Observed(tmp_path, "-c", RUN, ROOT, json.dumps(params), *runs)
    _, errors = observed.process.communicate(timeout=600)
    assert observed.process.returncode == 0, errors[-3000:]
    observed.assert_nothing_left()
