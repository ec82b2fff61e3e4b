"""Each pipeline alone, from an in-memory catalog of small arrays: its outputs compared with plain loops."""

import json
import re
from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

import miniatures
from conftest import ROOT
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import to_text
from reb_pipeline.datasets import MVTecADDataset
from reb_pipeline.defectmaker import found_region
from reb_pipeline.defectmaker.records import SaliencyMaps
from reb_pipeline.defectmaker.settings import (
    DefectSynthesisSettings,
    DetectionProbabilitySettings,
)
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.figures.suspects import SHOWN
from reb_pipeline.images.samples import Samples
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.memory_bank.suspects import rank_suspects
from reb_pipeline.parameters import loader
from reb_pipeline.parameters.sections import (
    CalibrationParams,
    ComputeParams,
    EvaluationParams,
    IngestionParams,
    PackagingParams,
)
from reb_pipeline.pipelines.calibration.nodes import calibrate
from reb_pipeline.pipelines.evaluation import nodes
from reb_pipeline.pipelines.evaluation.nodes import score_images
from reb_pipeline.pipelines.ldknn_density.nodes import fit_detector
from reb_pipeline.pipelines.packaging.nodes import package_model
from reb_pipeline.scoring.alpha import fit_alpha
from reb_pipeline.scoring.settings import ScoringSettings
from tiny_model import GRID, mean_colours

CATEGORY = "mono"  # of the default environment
TRAINED = [f"train/{n}" for n in range(31)]  # every tenth of them is held out
HELD_OUT = [f"calibration/{n}" for n in range(5)]
DEFECT = "bright_spot"
TESTED = [f"test/good/{n}" for n in range(4)] + [f"test/{DEFECT}/{n}" for n in range(3)]
RATIO = 0.1
ROUNDING = 0.05  # of |q|² + |b|² - 2qb in single precision, for colours of up to 255
SCORING = ScoringSettings(
    max_neighbors=4, n_neighbors=3, alpha=0.5, image_score="max", smoothing_sigma=0
)


class Kept(MemoryDataset):
    """Dataset in memory that can still be read after the run."""

    def _release(self):
        pass


class DrawnImages:
    """Images of parts, drawn when they are opened; the path is the id."""

    category = CATEGORY

    def open_image(self, path):
        return self._draw(path)[0]

    def open_mask(self, mask_paths):
        return self._draw(mask_paths[0])[1][0]

    def _draw(self, path):
        seed = [*TRAINED, *HELD_OUT, *TESTED].index(path)
        return miniatures.draw_part(seed, DEFECT if DEFECT in path else "good")


class WithoutRegions(DrawnImages):
    """Images whose masks are one file each."""

    has_regions = False


def table(*, calibration=True):
    """The samples: id, path, split, label, …."""
    ids = TRAINED + HELD_OUT * calibration + TESTED
    is_defect = [DEFECT in image_id for image_id in ids]
    return pd.DataFrame(
        {
            "id": ids,
            "path": ids,
            "split": [image_id.split("/")[0] for image_id in ids],
            "label": np.array(is_defect, int),
            "defect_type": [DEFECT if defect else "good" for defect in is_defect],
            "mask_paths": [
                to_text([i] if defect else []) for i, defect in zip(ids, is_defect, strict=True)
            ],
            "width": miniatures.SIZE,
            "height": miniatures.SIZE,
        }
    )


def features_of(image_ids):
    """Patch features as a plain array, float32 [images x patches, channels]."""
    images = DrawnImages()
    return np.concatenate(
        [mean_colours(images.open_image(i)).reshape(GRID * GRID, 3) for i in image_ids]
    )


def squared_distances(queries, rows):
    """All distances, float64 [queries, rows]."""
    difference = queries[:, None].astype(np.float64) - rows[None]
    return (difference**2).sum(axis=2)


@pytest.fixture
def run_slice(monkeypatch):
    """Run one pipeline of the category on what it is given; returns a function that reads its datasets."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    monkeypatch.setattr(loader, "_active", None)  # categories of the default environment
    monkeypatch.setattr(
        Encoder, "patches", lambda *_: lambda images: np.stack([mean_colours(i) for i in images])
    )

    def run(name, params, to_output=None, **datasets):
        pipeline = import_module(f"reb_pipeline.pipelines.{name}").create_pipeline()
        pipeline = pipeline.filter(node_namespaces=[CATEGORY])
        if to_output:
            pipeline = pipeline.to_outputs(f"{CATEGORY}.{to_output}")
        compute = ComputeParams(device="cpu", memory_gib=1)
        settings = {"compute": compute, "category": CATEGORY, **params}
        given = {f"{CATEGORY}.{dataset}": value for dataset, value in datasets.items()}
        for dataset in pipeline.inputs():
            if dataset.startswith("params:"):
                (section,) = {*dataset.removeprefix("params:").split(".")} - {CATEGORY}
                given[dataset] = settings[section]
        assert pipeline.inputs() <= given.keys()
        catalog = DataCatalog(
            {
                **{dataset: Kept(copy_mode="assign") for dataset in pipeline.all_outputs()},
                **{dataset: Kept(value, copy_mode="assign") for dataset, value in given.items()},
            }
        )
        SequentialRunner().run(pipeline, catalog)
        return lambda dataset: catalog.load(
            dataset if dataset in catalog else f"{CATEGORY}.{dataset}"
        )

    return run


@pytest.fixture
def images():
    """Samples, what opens them, and a backbone that is never asked."""
    config = {"backbone": "efficientnet_lite0", "weights": "imagenet", "finetuned": False}
    return {
        "samples": table(),
        "raw_images": DrawnImages(),
        "backbone": BackboneWeights({}, config),
    }


@pytest.fixture
def learn(run_slice, images):
    """The images with memory bank and coreset; then with density, held-out patches and detector."""
    features = FeatureSettings(image_size=miniatures.SIZE)

    def bank(**changes):
        params = {"features": features, "memory_bank": MemoryBankSettings(coreset_ratio=RATIO)}
        given = {**images, **changes}
        read = run_slice("memory_bank", params, **given)
        names = ("memory_bank", "coreset", "suspects")
        return {**given, **{name: read(name) for name in names}}

    def detector(scoring=SCORING, **changes):
        given = bank(**changes)
        read = run_slice("ldknn_density", {"features": features, "scoring": scoring}, **given)
        names = ("local_density", "own_patches", "held_out_patches", "detector")
        return {**given, **{name: read(name) for name in names}}

    return {"features": features, "bank": bank, "detector": detector}


def test_ingestion(run_slice, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path)
    folder = root / "screw"
    (folder / "train/good/003.png").write_bytes(b"no image")
    (folder / "test/good/001.png").write_bytes((folder / "train/good/002.png").read_bytes())
    miniatures.write_mask(folder / "ground_truth/dark_spot/000_mask.png", np.ones((5, 5), bool))
    miniatures.write_mask(folder / "ground_truth/dark_spot/009_mask.png", np.ones((64, 64), bool))
    raw_images = MVTecADDataset(path=str(root), category="screw").load()

    read = run_slice(
        "ingestion",
        {"ingestion": IngestionParams(max_unreadable_share=0.1)},
        raw_images=raw_images,
    )

    audit, samples = read("audit"), read("samples")
    assert len(read("inventory")) == audit["images"] == 14
    assert list(audit["unreadable"]) == ["screw/train/good/003.png"]
    assert audit["duplicates_between_splits"] == [
        ["screw/train/good/002.png", "screw/test/good/001.png"]
    ]
    assert audit["masks_without_image"] == ["screw/ground_truth/dark_spot/009_mask.png"]
    assert audit["masks_of_another_size"] == ["screw/test/dark_spot/000.png"]
    assert samples["id"].tolist() == [
        *(f"train/good/{n:03}" for n in (0, 1, 2, 4, 5, 6, 7)),
        "test/bright_spot/002", "test/dark_spot/000", "test/dark_spot/001",
        "test/good/000", "test/good/001", "test/good/002",
    ]  # fmt: skip
    assert samples.set_index("id")["mask_paths"].map(json.loads).str.len().to_dict() == {
        image_id: int(image_id in ("test/bright_spot/002", "test/dark_spot/001"))
        for image_id in samples["id"]
    }


@pytest.mark.parametrize("named", [[], ["train/good/003", "train/good/005"]])
def test_ingestion_leaves_out_the_training_images_of_a_list(run_slice, tmp_path, named):
    root = miniatures.make_mvtec_ad(tmp_path)
    raw_images = MVTecADDataset(path=str(root), category="screw").load()
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["image", *named]))
    params = {"ingestion": IngestionParams(max_unreadable_share=0, leave_out=str(path))}
    samples = run_slice("ingestion", params, raw_images=raw_images)("samples")
    assert samples.loc[samples["split"] == "left out", "id"].tolist() == named
    assert len(samples) == len(raw_images.samples)


def test_ingestion_refuses_too_many_unreadable_images(run_slice, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path)
    (root / "screw/train/good/003.png").write_bytes(b"no image")
    raw_images = MVTecADDataset(path=str(root), category="screw").load()
    with pytest.raises(InputError, match=r"1 of 14 images \(7\.1%\) are unreadable"):
        run_slice(
            "ingestion",
            {"ingestion": IngestionParams(max_unreadable_share=0.05)},
            raw_images=raw_images,
        )


def test_memory_bank(learn):
    learnt = learn["bank"]()

    bank, coreset = learnt["memory_bank"], learnt["coreset"]
    pd.testing.assert_frame_equal(learnt["suspects"], rank_suspects(bank, coreset))
    assert bank.image_ids == TRAINED  # neither held-out nor test images
    np.testing.assert_array_equal(bank.features, features_of(TRAINED))
    assert bank.extractor["image_size"] == miniatures.SIZE
    rows = coreset.rows
    assert len(set(rows)) == len(rows) == int(len(bank.features) * RATIO)
    # Every row is the farthest from those selected before it.
    nearest = squared_distances(bank.features, bank.features[rows[:1]])[:, 0]
    for row in rows[1:]:
        assert nearest[row] == pytest.approx(nearest.max(), rel=1e-3, abs=ROUNDING)
        nearest = np.minimum(nearest, squared_distances(bank.features, bank.features[[row]])[:, 0])


def test_a_region_is_found_once_and_is_that_of_the_bank(run_slice, images, monkeypatch):
    part = np.zeros((miniatures.SIZE, miniatures.SIZE), bool)
    part[20:36, 20:44] = True
    monkeypatch.setattr(found_region, "grabcut", lambda _: part)
    features = FeatureSettings(image_size=miniatures.SIZE, region="found")
    params = {"features": features, "memory_bank": MemoryBankSettings(), "scoring": SCORING}
    learnt = run_slice("memory_bank", params, **images)
    bank = learnt("memory_bank")
    region = found_region.find_region(Samples(images["samples"], images["raw_images"]))
    np.testing.assert_array_equal(bank.region, region.patches((GRID, GRID)))
    assert 0 < bank.region.sum() < GRID**2

    monkeypatch.setattr(found_region, "grabcut", None)  # nothing is found again
    given = {**images, "memory_bank": bank, "coreset": learnt("coreset")}
    held_out = run_slice("ldknn_density", params, "held_out_patches", **given)("held_out_patches")
    assert held_out.rows.shape[1:3] == (1, bank.region.sum())
    for other in (None, [[(0, 0), (1, 0), (0, 1)]]):
        drawn = {**params, "features": FeatureSettings(image_size=miniatures.SIZE, region=other)}
        with pytest.raises(InputError, match="made with another region of interest"):
            run_slice("ldknn_density", drawn, "held_out_patches", **given)
    whole = run_slice(
        "memory_bank", {**params, "features": params["features"].with_region(None)}, **images
    )
    given = {**images, "memory_bank": whole("memory_bank"), "coreset": whole("coreset")}
    for region in ("found", [[(0, 0), (1, 0), (0, 1)]]):  # of a bank that was made without one
        features = FeatureSettings(image_size=miniatures.SIZE, region=region)
        with pytest.raises(InputError, match="made with another region of interest"):
            run_slice(
                "ldknn_density", {**params, "features": features}, "held_out_patches", **given
            )


def test_ldknn_density_with_a_calibration_split(learn):
    learnt = learn["detector"]()

    bank, rows = learnt["memory_bank"].features, learnt["coreset"].rows
    to_all = squared_distances(bank[rows], bank)
    to_all[np.arange(len(rows)), rows] = np.inf  # a row is no neighbour of itself
    np.testing.assert_allclose(
        learnt["local_density"].squared_distances,
        np.sort(to_all, axis=1)[:, : SCORING.max_neighbors],
        rtol=1e-3,
        atol=ROUNDING,
    )
    held_out = learnt["held_out_patches"]
    assert held_out.image_ids == HELD_OUT
    to_coreset = squared_distances(features_of(HELD_OUT), bank[rows])
    np.testing.assert_allclose(
        held_out.squared_distances.reshape(len(to_coreset), -1),
        np.sort(to_coreset, axis=1)[:, :1],
        rtol=1e-3,
        atol=ROUNDING,
    )
    assert learnt["detector"].alpha == SCORING.alpha
    np.testing.assert_array_equal(learnt["detector"].features, bank[rows])


def test_ldknn_density_holds_out_training_images_without_a_calibration_split(learn):
    scoring = SCORING.model_copy(update={"alpha": "auto"})

    learnt = learn["detector"](scoring, samples=table(calibration=False))

    held_out, bank = learnt["held_out_patches"], learnt["memory_bank"]
    assert held_out.image_ids == [TRAINED[n] for n in (0, 10, 20, 30)]
    rows = learnt["coreset"].rows
    for image, found in zip((0, 10, 20, 30), held_out.squared_distances, strict=True):
        others = rows[bank.image[rows] != image]  # never compared with its own patches
        expected = squared_distances(features_of([TRAINED[image]]), bank.features[others])
        np.testing.assert_allclose(found.ravel(), expected.min(axis=1), rtol=1e-3, atol=ROUNDING)
    own = learnt["own_patches"]  # of the bank's images, for what is fitted
    assert own.image_ids == bank.image_ids
    assert own.squared_distances[::10].tolist() == held_out.squared_distances.tolist()
    assert learnt["detector"].alpha == fit_alpha(
        own.squared_distances[..., 0],
        own.rows[..., 0],
        learnt["local_density"],
        n_neighbors=scoring.n_neighbors,
        form=scoring.form,
    )


def test_calibration(run_slice, learn):
    params = {
        "features": learn["features"],
        "scoring": SCORING,
        "calibration": CalibrationParams(false_alarm_rate=0.2, folder=None),
    }
    learnt = learn["detector"]()

    calibration = run_slice("calibration", params, **learnt)("calibration")

    scores = learnt["detector"].score(learnt["held_out_patches"]).image_scores
    np.testing.assert_array_equal(calibration.image_scores, scores)
    assert calibration.image_ids == HELD_OUT
    assert calibration.image_threshold == scores.max()  # one part of six may score higher
    assert calibration.alpha == SCORING.alpha


@pytest.mark.parametrize("split", [True, False])
def test_images_left_out_of_the_bank_end_the_promise_of_training_images_alone(
    run_slice, learn, split
):
    samples = table(calibration=split)
    samples.loc[samples["id"] == TRAINED[3], "split"] = "left out"
    params = {
        "features": learn["features"],
        "scoring": SCORING,
        "calibration": CalibrationParams(false_alarm_rate=0.2, folder=None),
    }
    learnt = learn["detector"](samples=samples)
    assert learnt["memory_bank"].image_ids == [one for one in TRAINED if one != TRAINED[3]]

    calibration = run_slice("calibration", params, **learnt)("calibration")

    assert TRAINED[3] not in calibration.image_ids
    assert calibration.chosen_by == ([] if split else ["ingestion.leave_out"])
    assert calibration.guarantee == ("proven" if split else "none")


def test_maps_of_another_image_size_are_refused(learn):
    learnt = learn["detector"]()
    other = FeatureSettings(image_size=2 * miniatures.SIZE)
    params = CalibrationParams(false_alarm_rate=0.2, folder=None)
    found, detector = learnt["held_out_patches"], learnt["detector"]
    with pytest.raises(InputError, match="made with image_size"):
        score_images(learnt["samples"], found, detector, other, SCORING)
    with pytest.raises(InputError, match="made with image_size"):
        calibrate(found, found, detector, other, SCORING, params, CATEGORY)


def test_a_calibration_with_another_alpha_is_refused(run_slice, learn):
    params = {
        "features": learn["features"],
        "scoring": SCORING,
        "calibration": CalibrationParams(false_alarm_rate=0.2, folder=None),
    }
    learnt = learn["detector"]()
    calibration = run_slice("calibration", params, **learnt)("calibration")
    fingerprint = learnt["detector"].bank.fingerprint
    calibration.check(fingerprint, SCORING.model_dump(mode="json"), SCORING.alpha)
    with pytest.raises(InputError, match="run the pipeline calibration again"):
        calibration.check(fingerprint, SCORING.model_dump(mode="json"), SCORING.alpha + 0.001)


EVALUATION = EvaluationParams(
    pro_fpr_limit=0.3, spro_fpr_limit=0.05, pixel_resolution="map", examples_per_kind=1
)


def test_evaluation(run_slice, learn):
    params = {
        "calibration": CalibrationParams(false_alarm_rate=0.2, doubtful_rate=0.5, folder=None),
        "features": learn["features"],
        "scoring": SCORING,
        "evaluation": EVALUATION,
    }
    learnt = learn["detector"]()
    learnt["raw_images"].has_regions = False
    learnt["calibration"] = run_slice("calibration", params, **learnt)("calibration")

    read = run_slice("evaluation", params, **learnt)

    scores, detector = read("scores"), learnt["detector"]
    assert scores["id"].tolist() == TESTED
    to_rows = squared_distances(features_of(TESTED), detector.features)
    density = detector.density.mean_distance(SCORING.n_neighbors, squared=True)
    expected = to_rows.min(axis=1) - SCORING.alpha * density[to_rows.argmin(axis=1)]
    highest = expected.reshape(len(TESTED), -1).max(axis=1)
    np.testing.assert_allclose(scores["image_score"], highest, rtol=1e-3, atol=ROUNDING)
    metrics = read(f"metrics_{CATEGORY}")
    assert (metrics["good_images"], metrics["anomalous_images"]) == (4, 3)
    assert metrics["image_auroc"] == 1  # bright spots are plain to see
    assert metrics["pixel_auroc"] > 0.9
    assert metrics["copies_left_out"] == 0
    flagged = scores["image_score"] > learnt["calibration"].image_threshold
    at_threshold = metrics["at_threshold"]
    assert at_threshold["found"]["flagged"] == flagged[scores["label"] == 1].sum() == 3
    assert at_threshold["false_alarms"]["flagged"] == flagged[scores["label"] == 0].sum()
    assert (at_threshold["false_alarm_rate"], at_threshold["calibration_images"]) == (0.2, 5)
    beyond, lower = at_threshold["doubtful"], np.sort(learnt["calibration"].image_scores)[-3]
    assert beyond["threshold"] == lower  # half of six parts may score higher
    above = (scores["image_score"] > lower) & (scores["label"] == 0)
    assert beyond["false_alarms"]["flagged"] == above.sum()
    assert "At the calibrated threshold" in read("report")
    captions = re.findall("<figcaption>(train/.*?): (suspect, )?p =", read("report"))
    assert [name for name, _ in captions] == learnt["suspects"]["image"].tolist()[:SHOWN]

    other = replace(learnt["calibration"], coreset_fingerprint="another coreset")
    with pytest.raises(InputError, match="calibration is that of another coreset"):
        run_slice("evaluation", params, **{**learnt, "calibration": other})


def test_drawn_defects_on_held_out_images_state_the_size_that_is_found(run_slice, learn):
    samples = table()
    samples.loc[samples["id"].isin(TRAINED[:8]), "split"] = "calibration"
    params = {
        "calibration": CalibrationParams(false_alarm_rate=0.1, folder=None),
        "features": learn["features"],
        "scoring": SCORING,
        "defect_synthesis": DefectSynthesisSettings(shapes=["bezier_scar"], fills=["noise"]),
        "detection_probability": DetectionProbabilitySettings(
            draws=26, shortest=0.03, longest=0.8, contrasts=[30], pixel_size_mm=0.5
        ),
    }
    learnt = learn["detector"](samples=samples)
    calibration = learnt["calibration"] = run_slice("calibration", params, **learnt)("calibration")
    parts = TRAINED[:8] + HELD_OUT
    everywhere = ((one, np.ones((8, 8), bool)) for one in parts)
    learnt["saliency"] = SaliencyMaps.collect(everywhere, "whole_image")

    sizes = "detection_probability"
    read = run_slice(sizes, params, to_output=sizes, **learnt)

    draws, report = read("defect_draws"), read("detection_probability")
    assert draws["image_id"].tolist() == [one for one in parts for _ in range(2)]
    found = draws["score"] > calibration.image_threshold
    assert draws["length"][found].mean() > draws["length"][~found].mean()
    (curve,) = report["curves"]
    assert (curve["draws"], curve["found"], curve["parts"]) == (26, found.sum(), 13)
    assert curve["longest"] == draws["length"].max() / 2  # mm
    assert len(read("detection_probability_figure").data) >= 1

    low = replace(calibration, false_alarm_rate=0.01)
    with pytest.raises(InputError, match="Without a threshold no defect can be found: A false-al"):
        run_slice(sizes, params, to_output=sizes, **{**learnt, "calibration": low})
    few = samples.assign(split=samples["split"].where(~samples["id"].isin(parts[:7]), "test"))
    with pytest.raises(InputError, match="mono has 6 good parts that nothing has learnt from"):
        run_slice(sizes, params, to_output=sizes, **{**learnt, "samples": few})


def test_copies_of_training_images_are_scored_but_not_measured(run_slice, learn, messages_of):
    params = {
        "calibration": CalibrationParams(false_alarm_rate=0.2, folder=None),
        "features": learn["features"],
        "scoring": SCORING,
        "evaluation": EVALUATION,
    }
    content = [*TRAINED, *HELD_OUT, TRAINED[4], *TESTED[1:]]
    learnt = learn["detector"](samples=table().assign(pixels_sha256=content))
    learnt["raw_images"].has_regions = False
    learnt["calibration"] = run_slice("calibration", params, **learnt)("calibration")
    warnings = messages_of(nodes.logger)

    read = run_slice("evaluation", params, **learnt)

    scores, metrics = read("scores"), read(f"metrics_{CATEGORY}")
    assert scores["id"].tolist() == TESTED
    assert scores.loc[scores["is_copy"], "id"].tolist() == TESTED[:1]
    assert (metrics["good_images"], metrics["copies_left_out"]) == (3, 1)
    assert metrics["at_threshold"]["false_alarms"]["images"] == 3
    said = "1 test image has the pixels of a good training image and is left out of the metrics"
    assert warnings == [f"{CATEGORY}: {said}"]
    assert said in read("report")
    assert len(read("score_histogram").data[0].x) < len(TESTED)


def test_test_images_in_the_bank_are_refused(run_slice, learn, images):
    """As after a change of the split: the bank is older than the samples."""
    params = {
        "calibration": CalibrationParams(false_alarm_rate=0.2, folder=None),
        "features": learn["features"],
        "scoring": SCORING,
        "evaluation": EVALUATION,
    }
    learnt = learn["detector"]()
    learnt["calibration"] = run_slice("calibration", params, **learnt)("calibration")
    moved = table()
    moved.loc[moved["id"].isin(TRAINED[3:5]), "split"] = "test"
    refused = pytest.raises(InputError, match=r"2 test images are in the memory bank.*'train/3'")

    with refused:
        run_slice("evaluation", params, **{**learnt, "samples": moved})
    with refused:  # searched before, with the bank of another run
        found = replace(learnt["held_out_patches"], image_ids=[*TRAINED[3:5], *HELD_OUT[2:]])
        score_images(moved, found, learnt["detector"], learn["features"], SCORING)
    compute, trained = ComputeParams(device="cpu", memory_gib=1), (learnt["detector"], None)
    given = (moved, learnt["raw_images"], learnt["backbone"], *trained, learn["features"])
    with refused:
        package_model(
            *given, SCORING, PackagingParams(allow_undecided=True, good_images=True), compute
        )


def test_evaluation_with_too_few_calibration_images_counts_nothing(run_slice, learn):
    params = {
        "calibration": CalibrationParams(false_alarm_rate=0.01, folder=None),  # needs 99 images
        "features": learn["features"],
        "scoring": SCORING,
        "evaluation": EVALUATION,
    }
    learnt = learn["detector"]()
    learnt["raw_images"].has_regions = False
    learnt["calibration"] = run_slice("calibration", params, **learnt)("calibration")

    read = run_slice("evaluation", params, **learnt)

    at_threshold = read(f"metrics_{CATEGORY}")["at_threshold"]
    assert [at_threshold[name] for name in ("threshold", "false_alarms", "found")] == [None] * 3
    assert "<b>no threshold</b>" in read("report")


def test_parts_of_different_runs_are_refused(run_slice, learn, monkeypatch):
    """Each part keeps the fingerprint of what it was made from."""
    monkeypatch.setattr(DrawnImages, "open_image", lambda self, path, _="": self._draw(path)[0])
    samples = table()
    samples["sha256"] = samples["id"]
    of_one = learn["detector"](samples=samples)
    features, params = learn["features"], CalibrationParams(false_alarm_rate=0.2, folder=None)
    scoring = {"features": features, "scoring": SCORING, "calibration": params}
    changed = samples.replace({"sha256": {TRAINED[2]: "another file"}})
    fewer = samples[samples["id"] != TRAINED[2]]
    for now, how in ((changed, "has changed"), (fewer, "is not among them")):
        fault = rf"memory bank was made from .*train/2' {how}.*run the pipelines memory_bank"
        with pytest.raises(InputError, match=fault):
            run_slice("ldknn_density", scoring, **{**of_one, "samples": now})

    other = replace(of_one["memory_bank"], image_hashes=["another file"] * len(TRAINED))
    with pytest.raises(InputError, match="coreset was selected from another memory bank"):
        of_one["coreset"].of(other)
    grown = replace(of_one["local_density"], bank_fingerprint="another bank")  # the same coreset
    with pytest.raises(InputError, match="local density is that of another memory bank"):
        fit_detector(
            of_one["memory_bank"], of_one["coreset"], grown, of_one["own_patches"], SCORING
        )

    detector, images = of_one["detector"], WithoutRegions()
    of_one["calibration"] = run_slice("calibration", scoring, **of_one)("calibration")
    given = {**of_one, "raw_images": images}
    read = run_slice("evaluation", {**scoring, "evaluation": EVALUATION}, **given)
    found = read("nearest_patches")
    tested = samples.replace({"sha256": {TESTED[0]: "another file"}})
    with pytest.raises(InputError, match="nearest patches are those of other images"):
        score_images(tested, found, detector, features, SCORING)
    other = replace(detector, alpha=0.4)  # as of a run with another alpha
    other_scores, other_maps = score_images(samples, found, other, features, SCORING)
    with pytest.raises(InputError, match="scores are those of another detector"):
        nodes.draw_density(other_scores, found, of_one["held_out_patches"], detector, CATEGORY)
    maps, metrics = read("anomaly_maps"), read(f"metrics_{CATEGORY}")
    with pytest.raises(InputError, match="scores and the anomaly maps are of different detectors"):
        nodes.compute_metrics(other_scores, images, maps, EVALUATION)
    with pytest.raises(InputError, match="scores are those of another detector"):
        nodes.compute_metrics_at_threshold(
            other_scores, images, other_maps, EVALUATION, of_one["calibration"], detector
        )
    with pytest.raises(InputError, match="metrics and the anomaly maps are of different detectors"):
        nodes.draw_figures(
            read("scores"),
            images,
            maps,
            {**metrics, "detection_fingerprint": "another"},
            EVALUATION,
        )
    of_one["calibration"].check_detector(detector.fingerprint)
    density = replace(detector.density, squared_distances=2 * detector.density.squared_distances)
    with pytest.raises(InputError, match="calibration is that of another detector"):
        of_one["calibration"].check_detector(replace(detector, density=density).fingerprint)


def test_stored_parts_of_another_bank_or_of_test_images_are_refused(run_slice, learn):
    of_one = learn["detector"]()
    params = CalibrationParams(false_alarm_rate=0.2, folder=None)
    scoring = {"features": learn["features"], "scoring": SCORING, "calibration": params}
    own = replace(of_one["own_patches"], bank_fingerprint="another bank")
    fitted = SCORING.model_copy(update={"alpha": "auto"})
    with pytest.raises(InputError, match="nearest patches of good images are those of another mem"):
        fit_detector(of_one["memory_bank"], of_one["coreset"], of_one["local_density"], own, fitted)
    larger = replace(of_one["memory_bank"], image_ids=[*TRAINED[1:], "another image"])
    with pytest.raises(InputError, match="detector is that of another memory bank"):
        run_slice("calibration", scoring, **{**of_one, "memory_bank": larger})
    leaked = {"finetuned": True, "image_ids": TESTED[:1], "image_hashes": TESTED[:1]}
    backbone = BackboneWeights({}, {**of_one["backbone"].config, **leaked})
    for pipeline in ("memory_bank", "ldknn_density", "calibration", "evaluation"):
        given = {**of_one, "backbone": backbone, "calibration": None}
        params = {**scoring, "evaluation": EVALUATION, "memory_bank": MemoryBankSettings()}
        with pytest.raises(InputError, match=r"backbone has learnt from 1 images .*'test/good/0'"):
            run_slice(pipeline, params, **given)
