"""Tables and paths at the end of a run, as the metadata of the catalog ask for them."""

import numpy as np
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from miniatures import make_mvtec_ad
from reb_pipeline.calibration.record import CALIBRATION_SPLIT, Calibration
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.images.inventory import audit, take_inventory
from reb_pipeline.project.hooks import METRICS, PATH, SummaryHooks


def nothing() -> None: ...


def make_calibration(n):
    scores = np.arange(n, dtype=np.float32)
    ids, features = [str(number) for number in range(n)], np.zeros((n, 2), np.float32)
    return Calibration(scores, scores, ids, 0.05, CALIBRATION_SPLIT, 1.0, "c0", {}, features)


@pytest.fixture
def print_end(tmp_path, capsys):
    """Save these outputs, of (kind, value) by name, and return what the end of their run prints."""

    def print_end(outputs):
        entries = {
            name: {
                "type": "kedro_datasets.json.JSONDataset",
                "filepath": str(tmp_path / f"{name}.json"),
                "metadata": {"kedro-viz": {"layer": "reporting"}, **metadata},
            }
            for name, (metadata, _) in outputs.items()
        }
        catalog = DataCatalog.from_config(entries)
        for name, (_, value) in outputs.items():
            catalog[name].save(value)
        catalog["params:summary"] = {"textures": []}
        catalog["in_memory"] = None
        nodes = [Node(nothing, None, name, name=name) for name in outputs]
        nodes.append(Node(nothing, None, "in_memory", name="in_memory"))
        SummaryHooks().after_pipeline_run(Pipeline(nodes), catalog)
        return capsys.readouterr().out

    return print_end


def of_kind(kind):
    return {"reb": {"end_of_run": kind}}


def report(category, auroc):
    return {
        "category": category, "good_images": 1, "anomalous_images": 2, "has_masks": True,
        "image_auroc": auroc,
    }  # fmt: skip


def test_outputs_with_a_path_are_printed_by_name(print_end, tmp_path):
    printed = print_end(
        {"new_figure": (of_kind(PATH), 1), "table": ({}, 2), "chosen": (of_kind(PATH), 3)}
    )
    assert printed == f"chosen: {tmp_path}/chosen.json\nnew_figure: {tmp_path}/new_figure.json\n"


def test_metrics_are_one_table_a_detector(print_end):
    names = ("metrics", "hybrid_metrics", "feature_reconstruction_metrics")
    printed = print_end({
        f"{name}_{category}": (of_kind(METRICS), report(category, value))
        for value, name in enumerate(names)
        for category in ("metal_nut", "pill")
    })  # fmt: skip
    tables = [text.splitlines() for text in printed.strip().split("\n\n\n")]
    assert [lines[0] for lines in tables] == [
        "metrics", "feature reconstruction metrics", "hybrid metrics",
    ]  # fmt: skip
    assert [lines[2].split() for lines in tables] == [
        ["metal_nut", "1", "2", value] for value in ("0.00", "200.00", "100.00")
    ]


def test_copies_left_out_of_the_metrics_are_said(print_end):
    printed = print_end({
        f"metrics_{name}": (of_kind(METRICS), {**report(name, 0.9), "copies_left_out": n})
        for name, n in (("pill", 3), ("screw", 0))
    })  # fmt: skip
    assert printed.splitlines()[-1] == (
        "pill: 3 test images have the pixels of a good training image and are left out of the metrics."
    )


def test_undecided_test_images_are_said(print_end):
    undecided = {"undecided_good": 0, "undecided_anomalous": 1}
    printed = print_end({"metrics_pill": (of_kind(METRICS), {**report("pill", 0.9), **undecided})})
    assert "1 undecided, not counted" in printed
    assert printed.splitlines()[-1] == (
        "pill: 1 test image (0 good, 1 defective) cannot be aligned and is undecided: neither found nor missed, and "
        "left out of the metrics."
    )


def test_findings_of_the_audits_are_printed_with_their_paths(print_end, tmp_path):
    root = make_mvtec_ad(tmp_path / "images")
    (root / "screw/train/good/0.pgm").touch()
    images = MVTecADDataset(path=root, category="screw").load()
    inventory = take_inventory(images, "images")
    formats = {"other_formats": images.not_read["other_formats"]}
    printed = print_end(
        {
            "nut.audit": ({}, audit(inventory, [])),
            "screw.audit": ({}, audit(inventory, [], not_read=formats)),
            "part.report": (of_kind(PATH), 1),
        }
    )
    assert printed.splitlines() == [
        "screw: 1 image files are not read because of their format (.pgm 1), first screw/train/good/0.pgm",
        f"screw.audit: {tmp_path}/screw.audit.json",
        f"part.report: {tmp_path}/part.report.json",
    ]


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (18, "NO threshold can be set for a false-alarm rate of 5 %. "),
        (19, "a threshold is set for"),
    ],
)
def test_whether_a_threshold_keeps_the_rate_comes_last(tmp_path, capsys, n, said):
    calibration = make_calibration(n)
    entry = {
        "type": "reb_pipeline.datasets.ArraysDataset",
        "record": "reb_pipeline.calibration.record.Calibration",
        "filepath": str(tmp_path / "calibration.npz"),
    }
    chosen = {
        "type": "kedro_datasets.json.JSONDataset",
        "filepath": str(tmp_path / "chosen.json"),
        "metadata": of_kind(PATH),
    }
    catalog = DataCatalog.from_config({"mono.calibration": entry, "poly.chosen": chosen})
    catalog["mono.calibration"].save(calibration)
    catalog["poly.chosen"].save(1)
    # The calibration is an input here, as of the packaging.
    node = Node(lambda _: 1, "mono.calibration", "poly.chosen", name="choose")
    SummaryHooks().after_pipeline_run(Pipeline([node]), catalog)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("poly.chosen: ")
    assert lines[-1].startswith(f"mono: {said}")
    assert lines[-1].endswith(calibration.statement())


def test_no_table_without_metrics(print_end):
    assert print_end({"samples": ({}, 1)}) == ""
