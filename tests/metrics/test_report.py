"""evaluate() of one category and summary_table() over several."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from plain_tables import check_plain
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import to_text
from reb_pipeline.metrics.at_threshold import at_threshold
from reb_pipeline.metrics.image import IMAGE_METRICS
from reb_pipeline.metrics.pixel import PixelHistogram
from reb_pipeline.metrics.registry import LOGICAL, METRICS, STRUCTURAL
from reb_pipeline.metrics.report import PixelResolution, evaluate, measured, resize_mask
from reb_pipeline.metrics.summary import render_table, summary_row, summary_table
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

SIZE = 32  # of the maps
KINDS = ["good"] * 4 + ["scratch"] * 3 + ["hole"] * 2


class Masks:
    """Masks made up in memory: a path is a key."""

    category = "bolt"

    def __init__(self, masks: dict[str, np.ndarray], regions: dict[str, tuple[float, bool]]):
        self.masks, self.regions = masks, regions

    @property
    def has_regions(self) -> bool:
        return bool(self.regions)

    def open_mask(self, mask_paths: list[str]) -> np.ndarray:
        return np.any([self.masks[path] for path in mask_paths], axis=0)

    def open_regions(self, mask_paths: list[str]) -> list[tuple[np.ndarray, float, bool]]:
        return [(self.masks[path], *self.regions[path]) for path in mask_paths]


def test_copies_of_training_images_are_left_out_and_counted():
    scores, maps, masks = make_case()
    limits = {"pro_fpr_limit": 0.3, "spro_fpr_limit": 0.05, "description": None}
    copies = scores["id"].isin(["good/0", "hole/8"])
    report = evaluate(scores.assign(is_copy=copies), maps, masks, **limits)
    assert report == {**evaluate(scores[~copies], maps, masks, **limits), "copies_left_out": 2}
    with pytest.raises(InputError, match="All 9 test images of bolt have the pixels"):
        evaluate(scores.assign(is_copy=True), maps, masks, **limits)


def test_parts_that_cannot_be_aligned_are_left_out_and_counted_by_label():
    scores, maps, masks = make_case()
    limits = {"pro_fpr_limit": 0.3, "spro_fpr_limit": 0.05, "description": None}
    no_copy = scores.assign(is_copy=scores["id"].isin(["good/0"]))
    fault = (
        scores["id"]
        .isin(["good/0", "good/1", "hole/8", "hole/7"])
        .map({True: "No part.", False: ""})
    )
    report = evaluate(no_copy.assign(pose_fault=fault), maps, masks, **limits)
    rest = no_copy[(fault == "") | no_copy["is_copy"]]
    counts = {"undecided_good": 1, "undecided_anomalous": 2}
    assert report == {**evaluate(rest, maps, masks, **limits), **counts}
    assert summary_row(report)["note"].startswith("3 undecided, not counted")
    assert measured(no_copy.assign(pose_fault=fault))["id"].tolist() == [
        one for one in scores["id"] if one not in ("good/0", "good/1", "hole/8", "hole/7")
    ]
    none_left = no_copy.assign(pose_fault="No part.")
    with pytest.raises(InputError, match=r"All 9 test .*, or cannot be aligned \(8\), so nothing"):
        evaluate(none_left, maps, masks, **limits)


def make_case(
    kinds: list[str] = KINDS,
    unmasked: tuple[str, ...] = (),
    side: int = SIZE,
    saturated: bool = False,
) -> tuple[pd.DataFrame, AnomalyMaps, Masks]:
    rng = np.random.default_rng(0)
    ids = [f"{kind}/{index}" for index, kind in enumerate(kinds)]
    masks = {}
    for image_id, kind in zip(ids, kinds, strict=True):
        if kind not in ("good", *unmasked):
            mask = np.zeros((side, side), bool)
            y, x = rng.integers(0, side // 2, 2)
            mask[y : y + side // 4, x : x + side // 3] = True
            masks[image_id] = mask
    patch_scores = rng.normal(size=(len(ids), 8, 8)).astype(np.float32)
    for index, image_id in enumerate(ids):
        if image_id in masks:
            patch_scores[index] += 2 * masks[image_id][:: side // 8, :: side // 8]
    label = [int(kind != "good") for kind in kinds]
    table = pd.DataFrame({
        "id": ids, "label": label, "defect_type": kinds, "width": side, "height": side,
        "mask_paths": [to_text([image_id] if image_id in masks else []) for image_id in ids],
        "image_score": rng.normal(size=len(ids)) + label,
    })  # fmt: skip
    regions = dict.fromkeys(masks, (0.5, True)) if saturated else {}
    return table, AnomalyMaps(patch_scores, ids, SIZE, sigma=4.0), Masks(masks, regions)


def run(
    case: tuple[pd.DataFrame, AnomalyMaps, Masks], resolution: PixelResolution = "image"
) -> dict[str, Any]:
    return evaluate(
        *case,
        pro_fpr_limit=0.3,
        spro_fpr_limit=0.05,
        pixel_resolution=resolution,
        description="test",
    )


@pytest.mark.parametrize("kinds", [["scratch"], ["hole"], ["hole", "scratch"]])
def test_defect_types_are_measured_against_all_good_images(kinds: list[str]) -> None:
    table, maps, masks = make_case()
    report = run((table, maps, masks))
    found = report["per_defect_type"][kinds[0]] if len(kinds) == 1 else report
    rows = table[table["defect_type"].isin(["good", *kinds])]
    nothing = np.zeros((SIZE, SIZE), bool)
    truth = np.concatenate([masks.masks.get(i, nothing).ravel() for i in rows["id"]])
    scores = np.concatenate([maps[image_id].ravel() for image_id in rows["id"]])
    for kind, labels, values in (
        ("image", rows["label"], rows["image_score"]),
        ("pixel", truth, scores),
    ):
        assert found[f"{kind}_auroc"] == pytest.approx(roc_auc_score(labels, values), abs=1e-4)
        expected = average_precision_score(labels, values)
        assert found[f"{kind}_ap"] == pytest.approx(expected, abs=1e-4)
    assert 0 < found["au_pro"] < 1


@pytest.mark.parametrize("resolution", ["image", "map"])
@pytest.mark.parametrize("side", [16, 96])
def test_pixels_are_compared_at_the_resolution_of_the_images_or_of_the_maps(
    side: int, resolution: PixelResolution
) -> None:
    table, maps, masks = make_case(side=side)
    report = run((table, maps, masks), resolution)
    shape = (side, side) if resolution == "image" else (SIZE, SIZE)
    nothing = np.zeros((side, side), bool)
    truth = [masks.masks.get(image_id, nothing) for image_id in table["id"]]
    if resolution == "map":
        truth = [resize_mask(mask, shape) for mask in truth]
    labels = np.ravel(truth)
    scores = np.ravel([maps.at(image_id, shape) for image_id in table["id"]])
    assert report["pixel_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
    assert report["pixel_ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-4)


@pytest.mark.parametrize(("resolution", "regions"), [("image", 2), ("map", 1)])
def test_neighbouring_regions_stay_apart_at_the_resolution_of_the_images(
    monkeypatch: pytest.MonkeyPatch, resolution: PixelResolution, regions: int
) -> None:
    table, maps, masks = make_case(["good", "scratch"], side=200)
    table["width"] = 150
    mask = np.zeros((200, 150), bool)
    mask[50:60, 20:40] = mask[63:73, 20:40] = True
    masks.masks = dict.fromkeys(masks.masks, mask)
    counted = []
    update = PixelHistogram.update

    def spy(self: PixelHistogram, anomaly_map: np.ndarray, mask: np.ndarray, _: None) -> None:
        update(self, anomaly_map, mask)
        counted.append(self.region_count)

    monkeypatch.setattr(PixelHistogram, "update", spy)
    run((table, maps, masks), resolution)
    assert counted == [0, regions]


def test_counts_of_a_report() -> None:
    report = run(make_case())
    assert (report["category"], report["has_masks"]) == ("bolt", True)
    assert (report["good_images"], report["anomalous_images"]) == (4, 5)
    assert list(report["per_defect_type"]) == ["hole", "scratch"]
    assert "au_spro" not in report
    assert "structural_logical_mean" not in report


def test_without_masks_there_are_image_metrics_only() -> None:
    case = make_case(unmasked=("hole", "scratch"))
    report = run(case)
    assert not report["has_masks"]
    for part in (report, *report["per_defect_type"].values()):
        assert METRICS.keys() & part.keys() == IMAGE_METRICS.keys()
    assert report["image_auroc"] == roc_auc_score(case[0]["label"], case[0]["image_score"])


def test_images_without_a_mask_count_for_image_metrics_only() -> None:
    """Where their defect lies is not known: their pixels are neither good nor anomalous."""
    case = make_case(unmasked=("hole",))
    table = case[0]
    report = run(case)
    assert report["per_defect_type"]["hole"]["pixel_auroc"] is None
    assert report["per_defect_type"]["hole"]["image_auroc"] is not None
    rest = run((table[table["defect_type"] != "hole"], *case[1:]))
    assert report["pixel_auroc"] == pytest.approx(rest["pixel_auroc"], abs=1e-4)
    assert report["au_pro"] == pytest.approx(rest["au_pro"], abs=1e-4)
    assert report["image_auroc"] == roc_auc_score(table["label"], table["image_score"])


def test_one_class_has_no_metrics() -> None:
    report = run(make_case(kinds=["good"] * 3))
    assert report["image_auroc"] is None
    assert report["per_defect_type"] == {}


def test_loco_averages_its_halves_and_measures_spro_at_mask_resolution() -> None:
    kinds = ["good"] * 3 + [STRUCTURAL] * 2 + [LOGICAL] * 2
    case = make_case(kinds, side=96, saturated=True)
    shapes = []
    table, maps, masks = case

    class Spy(AnomalyMaps):
        def at(self, image_id: str, shape: tuple[int, int]) -> np.ndarray:
            shapes.append(shape)
            return maps.at(image_id, shape)

    report = run((table, Spy(maps.patch_scores, maps.image_ids, SIZE, 4.0), masks))
    assert set(shapes) == {(96, 96)}
    assert len(shapes) >= len(kinds)
    halves = [report["per_defect_type"][kind] for kind in (STRUCTURAL, LOGICAL)]
    assert 0 < report["au_spro"] <= 1
    # No pooled figure is published: the value in the head is the mean, each half with all good images.
    assert report["au_spro"] == report["structural_logical_mean"]["au_spro"]
    for name, mean in report["structural_logical_mean"].items():
        assert mean == pytest.approx((halves[0][name] + halves[1][name]) / 2)
    assert {"image_auroc", "au_pro", "au_spro"} <= set(report["structural_logical_mean"])


@pytest.mark.parametrize("side", [256, 300, 1000, 3000])
def test_resized_masks_keep_the_smallest_defect(side: int) -> None:
    mask = np.zeros((side, side), bool)
    mask[side // 3, side // 2] = True
    rows, columns = np.nonzero(resize_mask(mask, (256, 256)))
    assert len(rows)
    assert abs(rows - 256 / 3).max() < 3
    assert abs(columns - 128).max() < 3


def report_of(category: str, auroc: float | None, **more: Any) -> dict[str, Any]:
    return {
        "category": category, "good_images": 10, "anomalous_images": 20, "has_masks": True,
        "image_auroc": auroc, **more,
    }  # fmt: skip


def test_summary_averages_textures_objects_and_all() -> None:
    reports = [
        report_of("wood", 0.8, pixel_auroc=0.9),
        report_of("tile", 0.6, pixel_auroc=0.7),
        report_of("nut", 1.0, has_masks=False),
        report_of("pill", None, pixel_auroc=0.5),
    ]
    table = summary_table(reports, textures=["wood", "tile", "leather"]).set_index("category")
    means = ["mean of textures", "mean of objects", "mean"]
    assert list(table.index) == ["wood", "tile", "nut", "pill", *means]
    assert table.loc[means, "image_auroc"].tolist() == pytest.approx([0.7, 1.0, 0.8])
    assert table.loc[means, "pixel_auroc"].tolist() == pytest.approx([0.8, 0.5, 0.7])
    assert table.loc[means, "good_images"].tolist() == [20, 20, 40]
    assert "au_pro" not in table
    partial = "over the categories that have the metric"
    notes = ["", "", "no masks: image metrics only", "", "", partial, partial]
    assert table["note"].tolist() == notes


@pytest.mark.parametrize("textures", [[], ["wood", "tile"]])
def test_summary_of_one_kind_has_one_mean(textures: list[str]) -> None:
    table = summary_table([report_of("wood", 0.5), report_of("tile", 0.25)], textures)
    assert table["category"].tolist() == ["wood", "tile", "mean"]
    assert table["image_auroc"].tolist() == [0.5, 0.25, 0.375]


def test_summary_of_one_category_has_no_mean() -> None:
    table = summary_table([report_of("wood", 0.5)], ["wood"])
    assert table["category"].tolist() == ["wood"]
    assert table["good_images"].dtype == np.int64


def test_summary_of_loco() -> None:
    report = run(make_case(["good"] * 3 + [STRUCTURAL] * 6 + [LOGICAL] * 2, saturated=True))
    row = summary_table([report], []).iloc[0]
    halves = [report["per_defect_type"][kind]["image_auroc"] for kind in (STRUCTURAL, LOGICAL)]
    assert [row["image_auroc_structural"], row["image_auroc_logical"]] == halves
    assert row["image_auroc_loco_mean"] == pytest.approx(np.mean(halves))
    spro = [report["per_defect_type"][kind]["au_spro"] for kind in (STRUCTURAL, LOGICAL)]
    assert [row["au_spro_structural"], row["au_spro_logical"]] == spro
    assert row["au_spro"] == row["au_spro_loco_mean"] == pytest.approx(np.mean(spro))


def test_rendered_table_is_in_percent() -> None:
    reports = [report_of("wood", 0.51234, pixel_auroc=0.9), report_of("tile", 0.5, has_masks=False)]
    text = render_table(summary_table(reports, []))
    wood, tile, _ = text.splitlines()[1:]
    assert wood.split() == ["wood", "10", "20", "51.23", "90.00"]
    assert tile.split()[:5] == ["tile", "10", "20", "50.00", "–"]
    assert "note" not in render_table(summary_table(reports[:1], []))


def flagged_report(category: str, threshold: float) -> dict[str, Any]:
    scores = pd.DataFrame({
        "label": [0] * 10 + [1] * 20, "defect_type": ["good"] * 10 + ["dent"] * 5 + ["hole"] * 15,
        "image_score": [*range(10), *range(4, 9), *[7.5] * 15],
    })  # fmt: skip
    return report_of(category, 0.9, at_threshold=at_threshold(scores, threshold, 0.05, 59))


def test_summary_says_what_is_found_and_missed_at_the_threshold() -> None:
    table = summary_table([flagged_report("nut", 7), flagged_report("pill", np.inf)], [])
    nut, pill, mean = (row for _, row in table.iterrows())
    assert [nut[name] for name in ("false_alarms", "found", "missed")] == [2, 16, 4]
    assert nut["missed_by_type"] == "dent 4 of 5, hole 0 of 15"
    assert nut["recall_share"] == mean["recall_share"] == 0.8
    assert nut["recall_low"] < 0.8 < nut["recall_high"]
    for name in ("threshold", "false_alarms", "found", "missed", "recall_share"):
        assert pd.isna(pill[name])  # not 0
    assert pill["missed_by_type"] == ""
    assert pill["note"] == "no threshold: 59 good images cannot guarantee 5 % false alarms"
    check_plain(table)
    check_plain(summary_table([flagged_report("pill", np.inf)], []))
    lines = render_table(table).partition("at the calibrated threshold")[2].splitlines()[2:]
    assert "2 of 10: 20.00 %" in lines[0]
    assert "16 of 20: 80.00 %" in lines[0]
    assert "dent 4 of 5, hole 0 of 15" in lines[0]
    assert lines[1].split() == ["pill", "5", "%", "no", "threshold", "no", "threshold", "–"]
    assert lines[2].split() == [
        "mean",
        "20.00",
        "%",
        "on",
        "average",
        "80.00",
        "%",
        "on",
        "average",
        "–",
    ]


def test_rendered_f1_says_that_its_threshold_is_chosen_by_test_labels() -> None:
    assert "oracle" in render_table(summary_table([report_of("nut", 0.9, image_f1_max=0.8)], []))
