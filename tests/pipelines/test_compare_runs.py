"""Stored runs side by side, for runs that differ in a setting, in the data, and in the code."""

import json

import pandas as pd
import pytest
from PIL import Image

import miniatures
from conftest import SMALL, newest
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import from_text
from reb_pipeline.metrics.significance import delong_test
from reb_pipeline.project.hooks import manifest as hooks

FOLDER = {**SMALL, "ssl_finetune": {"enabled": False}}


@pytest.fixture
def runs(run_project, tmp_path, monkeypatch):
    """Folder of four runs: the first, another setting from the fitted detector on, more images, another commit."""
    root = miniatures.make_plain_folder(tmp_path / "images", category="part")
    params = {"data_root": str(root), **FOLDER}
    monkeypatch.setattr(hooks, "_commit", lambda: "aaaa")
    out = run_project("folder", params)
    other = {**params, "scoring": {"alpha": 0.9}}
    run_project("folder", other, from_nodes=["part.ldknn_density.fit_detector"])
    image = next((root / "part").rglob("good/*.png"))
    Image.open(image).rotate(90).save(image.with_name("another.png"))
    run_project("folder", other)
    monkeypatch.setattr(hooks, "_commit", lambda: "bbbb")
    run_project("folder", other)
    return out, params


def test_each_row_says_what_changed_and_tests_it(runs, run_project, capsys):
    out, params = runs
    run_project("folder", params, pipeline_names=["compare"])
    table = pd.read_parquet(newest(out / "08_reporting", "run_comparison.parquet"))
    assert table["category"].unique().tolist() == ["part"]
    ids = table["run_id"].tolist()
    assert len(ids) == 4
    assert ids == sorted(ids)
    assert table["compared_with"].tolist() == ["", *ids[:3]]
    changed = [from_text(text) for text in table["changed"]]
    assert changed[0] == []
    assert changed[1] == ["scoring.alpha: 0.5 → 0.9"]
    assert changed[3] == ["commit: aaaa → bbbb"]
    assert {text.partition(":")[0] for text in changed[2]} > {"images.fingerprint"}
    assert all(text.startswith("images.") for text in changed[2])
    reports = [
        json.loads((out / f"08_reporting/part/metrics.json/{run}/metrics.json").read_text())
        for run in ids
    ]
    assert table["image_auroc"].tolist() == [report["image_auroc"] for report in reports]
    scores = [
        pd.read_parquet(out / f"07_model_output/part/scores.parquet/{run}/scores.parquet")
        for run in ids[:2]
    ]
    tested = delong_test(scores[0]["label"], *(one["image_score"] for one in scores[::-1]))
    assert table["p_value"][1] == tested.p_value
    assert table["difference"][1] == pytest.approx(tested.difference)
    assert table["not_tested"][2].startswith("other test images") == table["p_value"].isna()[2]
    printed = capsys.readouterr().out
    assert f"{ids[1]} changed scoring.alpha: 0.5 → 0.9" in printed
    assert "run_comparison_figure: " in printed

    run_project(
        "folder", {**params, "compare": {"runs": [ids[3], ids[0]]}}, pipeline_names=["compare"]
    )
    table = pd.read_parquet(newest(out / "08_reporting", "run_comparison.parquet"))
    assert table["run_id"].tolist() == [ids[0], ids[3]]
    with pytest.raises(InputError, match=r"Run with metrics 'nosuch' is unknown: known are 2"):
        run_project(
            "folder", {**params, "compare": {"runs": ["nosuch"]}}, pipeline_names=["compare"]
        )
