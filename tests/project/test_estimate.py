"""The estimate of the time of a run counts what the run does, at the speed of the engine that will compute it."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import ROOT
from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.settings import (
    DefectSynthesisSettings,
    DetectionProbabilitySettings,
)
from reb_pipeline.detectors.sources import encoder
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.images.collection import Sample
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.parameters.loader import LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.pipelines import detection_probability, full
from reb_pipeline.project import estimate as estimates
from reb_pipeline.project.estimate import _finetuned_images, estimate, statement, time_text


@pytest.mark.parametrize("budget", ["demo", "small", "paper"])
def test_images_of_the_fine_tuning(budget):
    settings = SSLFinetuneSettings(budget=budget)
    defects = DefectSynthesisSettings()
    chosen = settings.chosen
    drawn = 1 + len(defects.shapes) * len(defects.fills)  # each image, and its defects
    images = chosen.updates * chosen.passes_per_update * chosen.images_per_pass * drawn
    sections = {"ssl_finetune": settings, "defect_synthesis": defects}
    assert _finetuned_images(sections, chosen.image_size) == images
    assert _finetuned_images(sections, 2 * chosen.image_size) == images / 4
    sections["ssl_finetune"] = settings.model_copy(update={"enabled": False})
    assert _finetuned_images(sections, 256) == 0


@dataclass(frozen=True)
class Encoder:
    """Stand-in for a network whose engine `auto` is ONNX Runtime."""

    settings: FeatureSettings

    def tapping(self, _):
        chosen = {"auto": "onnxruntime"}.get(self.settings.engine, self.settings.engine)
        return self.settings.model_copy(update={"engine": chosen})

    def patches(self):
        used.append(self.settings.engine)
        return lambda images: np.zeros((len(images), 4, 4, 8), np.float32)


used: list[str] = []


@pytest.fixture
def measured(monkeypatch):
    """Everything that is measured takes a second."""
    used.clear()
    monkeypatch.setattr(encoder.Encoder, "initial", lambda settings, _: Encoder(settings))
    monkeypatch.setattr(estimates, "_measured", lambda _: 1.0)
    monkeypatch.setattr(estimates, "_pair_seconds", lambda _: 0.01)


def collection(train, calibration, test):
    """Images of a category; a defective one in the training split is not learnt from."""
    counts = {"train": train, "calibration": calibration, "test": test}
    samples = [
        Sample(f"{split} {n}", f"{n}.png", split, 0, "good")
        for split, count in counts.items()
        for n in range(count)
    ]
    samples.append(Sample("defective", "x.png", "train", 1, "crack"))
    return SimpleNamespace(samples=samples, open_image=lambda _: np.zeros((8, 8, 3), np.uint8))


def sections(*, tuned=False, engine="auto"):
    return {
        "features": FeatureSettings(engine=engine),
        "memory_bank": MemoryBankSettings(coreset_ratio=0.5),
        "ssl_finetune": SSLFinetuneSettings(enabled=tuned, budget="demo"),
        "defect_synthesis": DefectSynthesisSettings(),
    }


def test_the_steps_count_images_rows_and_pairs(measured):
    compute = SimpleNamespace(device="cpu")
    found = estimate({"a": collection(4, 2, 3)}, {"compute": compute, "a": sections()})["a"]
    each = 1 + 1 / estimates.BATCH  # opened, and computed
    rows, coreset = 4 * 16, 2 * 16
    searching = estimates.SEARCH * 16 * coreset * 0.01
    assert found == pytest.approx(
        {
            "inspect_images": 2 * 10,
            "synthesize_defects": estimates.DRAWN_SECONDS,
            "finetune_backbone": 0,
            "extract_patch_features": 4 * each,
            "select_coreset": estimates.CORESET * rows * coreset * 0.01,
            "measure_local_density": estimates.DENSITY * rows * coreset * 0.01,
            "search_own_images": 4 * searching,
            "search_held_out_images": 2 * (each + searching),
            "search_memory_bank": 3 * (each + searching),
            "draw_figures": estimates.FIGURES_SECONDS,
            "score_drawn_defects": 0,
        }
    )
    probability = DetectionProbabilitySettings(enabled=True, draws=20, contrasts=[20, 40])
    asked = {**sections(), "detection_probability": probability}
    found = estimate({"a": collection(4, 2, 3)}, {"compute": compute, "a": asked})["a"]
    assert found["score_drawn_defects"] == pytest.approx(20 * 2 * 6 * (each + searching))
    ProjectConfigLoader(str(ROOT / "conf"), **LOADER_ARGS)  # whose categories the pipelines have
    made = (full, detection_probability)
    nodes = {node.name.rpartition(".")[2] for one in made for node in one.create_pipeline().nodes}
    assert set(found) <= nodes


def test_the_engine_that_will_compute_is_measured_and_pytorch_for_the_fine_tuning_alone(measured):
    parameters = {"compute": SimpleNamespace(device="cpu"), "a": sections(), "b": sections()}
    images = {"a": collection(4, 2, 3), "b": collection(2, 1, 1)}
    estimate(images, parameters)
    assert used == ["onnxruntime"]  # once for both
    used.clear()
    parameters["b"] = sections(tuned=True, engine="openvino")
    assert estimate(images, parameters)["b"]["finetune_backbone"] > 0
    assert used == ["onnxruntime", "openvino", "torch"]


def test_an_image_that_cannot_be_read_is_left_to_the_run(measured):
    def unreadable(_):
        raise InputError("cut off")

    images = collection(4, 2, 3)
    images.open_image = unreadable
    found = estimate({"a": images}, {"compute": SimpleNamespace(device="cpu"), "a": sections()})
    assert found["a"]["inspect_images"] == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "about a minute"),
        (100, "about 2 minutes"),
        (5000, "about 83 minutes"),
        (6000, "about 1.7 hours"),
    ],
)
def test_a_time_in_words(seconds, text):
    assert time_text(seconds) == text


def test_one_category_is_not_counted_and_of_several_the_longest_is_named():
    assert statement({"nut": {"draw_figures": 100.0}}) == "about 2 minutes on this machine"
    both = {"nut": {"draw_figures": 100.0}, "bolt": {"draw_figures": 20.0, "select_coreset": 120.0}}
    assert statement(both) == ("2 categories, about 4 minutes on this machine; the longest is bolt")
