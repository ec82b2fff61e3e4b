"""Lineage of results: parameters, data and code, by the manifests of the runs behind them."""

import pandas as pd
import pytest

from reb_pipeline.tracking.lineage import Facts, Lineage, describe_samples

BANK, SCORES, METRICS = (
    "06_models/a/bank.npz",
    "07_model_output/a/scores.parquet",
    "08_reporting/a/metrics.json",
)
STEPS = {
    "learn": (["a.samples", "params:a.memory_bank"], ["a.bank"]),
    "score": (["a.bank", "a.samples", "params:a.scoring"], ["a.scores"]),
    "measure": (["a.scores", "params:a.evaluation"], ["metrics_a"]),
}
FILES = {
    "a.samples": "03_primary/a/samples.parquet", "a.bank": BANK, "a.bank_before": BANK,
    "a.scores": SCORES, "metrics_a": METRICS,
}  # fmt: skip


def manifest(run_id, steps, inputs, commit="c1", numpy="2.1", **sections):
    return {
        "run_id": run_id,
        "steps": {name: dict(zip(("inputs", "outputs"), STEPS[name], strict=True)) for name in steps},
        "inputs": inputs,
        "files": FILES,
        "parameters": {"a": sections},
        "commit": commit,
        "python": "3.12",
        "packages": {"numpy": numpy, "ruff": "1", "reb-pipeline": "0.1.0"},
    }  # fmt: skip


WHOLE = manifest(
    "r1", STEPS, {"a.samples": "r0"},
    memory_bank={"ratio": 0.1, "of": {"deep": None}}, scoring={"alpha": 0.5}, evaluation={"limit": 0.3},
)  # fmt: skip
LATER = manifest(
    "r2", ["score", "measure"], {"a.samples": "r0", "a.bank": "r1"}, commit="c2", numpy="2.2",
    scoring={"alpha": 1}, evaluation={"limit": 0.3},
)  # fmt: skip


def facts_of(*manifests, samples=None):
    lineage = Lineage(manifests)
    *_, made = lineage.results("metrics.json")
    return lineage.facts(made, "a", samples or {})


def test_a_run_of_all_steps():
    facts = facts_of(WHOLE)
    assert facts.parameters == {
        "memory_bank.ratio": "0.1", "memory_bank.of.deep": "null", "scoring.alpha": "0.5",
        "evaluation.limit": "0.3",
    }  # fmt: skip
    assert facts.code == {"commit": "c1", "python": "3.12", "reb-pipeline": "0.1.0"}
    assert facts.libraries == {"numpy": "2.1"}  # not what only develops the project
    assert facts.data == {"images.fingerprint": "not stored any more"}


def test_a_run_of_later_steps_has_the_parameters_of_the_run_before():
    facts = facts_of(WHOLE, LATER)
    assert facts.parameters == {
        **facts_of(WHOLE).parameters, "scoring.alpha": "1"
    }  # fmt: skip
    assert facts.code["commit"] == "c1 and c2"
    assert facts.libraries == {"numpy": "2.1 and 2.2"}
    assert facts_of(WHOLE, LATER).changes_since(facts_of(WHOLE)) == [
        "scoring.alpha: 0.5 → 1", "commit: c1 → c1 and c2", "numpy: 2.1 → 2.1 and 2.2",
    ]  # fmt: skip


def test_parts_of_one_run_are_one():
    parts = [
        manifest("r1", ["learn"], {"a.samples": "r0"}, memory_bank=WHOLE["parameters"]["a"]["memory_bank"]),
        manifest("r1", ["score", "measure"], {"a.samples": "r0", "a.bank": "r1"},
                 scoring={"alpha": 0.5}, evaluation={"limit": 0.3}),
    ]  # fmt: skip
    assert facts_of(*parts) == facts_of(WHOLE)


def test_an_input_with_another_name_is_found_by_its_file():
    updated = manifest("r3", [], {"a.bank_before": "r1"}, scoring={"alpha": 2})
    updated["steps"] = {"score": {"inputs": ["a.bank_before"], "outputs": ["metrics_a"]}}
    assert facts_of(WHOLE, updated).parameters["memory_bank.ratio"] == "0.1"


def test_manifests_of_older_versions_are_left_out():
    old = {name: WHOLE[name] for name in WHOLE if name != "files"}
    assert list(Lineage([old, {}]).results("metrics.json")) == []


def test_data_are_what_the_newest_samples_say():
    table = pd.DataFrame(
        {
            "split": ["train", "test"],
            "label": [0, 1],
            "defect_type": ["good", "x"],
            "sha256": ["a", "b"],
        }
    )
    facts = facts_of(WHOLE, LATER, samples={(FILES["a.samples"], "r0"): table})
    assert facts.data == describe_samples(table)
    assert facts.data["images.train"] == "1"


@pytest.mark.parametrize(
    "change", [{"sha256": "c"}, {"split": "calibration"}, {"label": 1}, {"defect_type": "y"}]
)
def test_a_fingerprint_is_of_contents_not_of_names_or_order(change):
    row = {"id": "1", "split": "train", "label": 0, "defect_type": "good", "sha256": "a"}
    table = pd.DataFrame([row, {**row, "id": "2", "sha256": "b"}])
    same = table.iloc[::-1].assign(id=["x", "y"])
    assert describe_samples(table) == describe_samples(same)
    other = pd.DataFrame([row, {**row, "sha256": "b", **change}])
    assert (
        describe_samples(table)["images.fingerprint"]
        != describe_samples(other)["images.fingerprint"]
    )


def test_values_that_only_one_side_has_are_changes():
    before, now = Facts({"a.b": "1"}), Facts({"a.c": "1"})
    assert now.changes_since(before) == ["a.b: 1 → –", "a.c: – → 1"]
    assert now.changes_since(now) == []
