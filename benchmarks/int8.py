"""A network in 8 bits beside single precision: ``python -m benchmarks.int8 ENV --data-root DATA``.

OpenVINO computes the network of the shipped features in float32, in bfloat16, and in 8 bits after quantisation by NNCF
(``pip install nncf``) on good images; ONNX Runtime in 8 bits is timed only. Of the good images of a category some are
learnt (coreset 3 %, shipped scores), some calibrate, and the others are held out, as they are and with synthetic
defects. All have the coreset rows that float32 selects; a coreset of another seed shows what a selection alone changes.
Prints a Markdown table: image AUROC of the test images; how many of the held-out images keep their verdict,
and how far their p-values are from those in float32; processor time of the network and of an inspection on one core,
all in turns.

``ONEDNN_MAX_CPU_ISA=AVX2`` before the command tells OpenVINO to use no AVX-512 and no VNNI.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.defaults import markdown
from reb_pipeline.calibration.conformal import conformal_threshold, p_values
from reb_pipeline.calibration.verdicts import can_flag
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.defectmaker.synthesis import estimate_saliency, synthesize_defects
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.features.onnx_export import export_onnx
from reb_pipeline.features.onnx_session import open_session
from reb_pipeline.features.openvino_core import openvino_core
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import Samples
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.held_out import evenly_chosen, search_own_images
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.loader import categories
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

Network = Callable[[np.ndarray], np.ndarray]
Image = tuple[str, np.ndarray]
FLOAT, TIMED = "float32", "8 bits, ONNX Runtime"
COMPARED = BF16, INT8 = ("bfloat16", "8 bits")
OTHER = "float32, another coreset"
LEARNT, CALIBRATING = 100, 50  # good images at most
QUANTISED_ON = 32  # of those learnt
RATE = 0.05  # of false alarms
REPEATS = 15
BANK = MemoryBankSettings(coreset_ratio=0.03)
SCORING = ScoringSettings(
    n_neighbors=5, max_neighbors=5, alpha=0.5, image_score="ranked_mean", normalization="position",
    anomaly_map="distance",
)  # fmt: skip


def networks(settings: FeatureSettings, photos: list[np.ndarray]) -> dict[str, Network]:
    """Build the ways to compute the network on one core; quantised on resized good photos."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    model = export_onnx(Encoder.initial(settings, "cpu").patches().network, settings.image_size)
    plain = openvino_core().read_model(model)
    batches = [photo[None] for photo in photos]
    quantised = nncf.quantize(
        plain,
        nncf.Dataset(batches),
        subset_size=len(batches),
        ignored_scope=nncf.IgnoredScope(names=in_float(plain)),
    )
    short = {} if "ONEDNN_MAX_CPU_ISA" in os.environ else {BF16: _openvino(plain, "bf16")}
    return {
        FLOAT: _openvino(plain, "f32"),
        **short,  # OpenVINO fails where the instructions are forbidden
        INT8: _openvino(quantised, "f32"),
        TIMED: open_session(_quantised(model, batches), 1),
    }


def in_float(model: Any) -> list[str]:
    """List the operations that are not quantised: the first convolution, and the neck, which averages tapped maps.

    In 8 bits, these two made most of the features' error, and saved next to nothing.
    """
    first = next(one for one in model.get_ordered_ops() if one.get_type_name() == "Convolution")
    taps = {
        one.input_value(0).get_node().get_friendly_name()
        for one in model.get_ops()
        if one.get_type_name() == "AvgPool"
    }
    found = {first.get_friendly_name()}
    following = [result.input_value(0).get_node() for result in model.get_results()]
    while following:
        one = following.pop()
        name = one.get_friendly_name()
        if name not in taps and name not in found and one.get_type_name() != "Constant":
            found.add(name)
            following += [value.get_node() for value in one.input_values()]
    return sorted(found)


def _openvino(model: Any, precision: str) -> Network:
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = openvino_core().compile_model(model, "CPU", {**hints, "INFERENCE_NUM_THREADS": 1})
    request = compiled.create_infer_request()

    def compute(pixels: np.ndarray) -> np.ndarray:
        request.infer({0: pixels})
        return request.get_output_tensor().data.copy()

    return compute


def _quantised(model: bytes, batches: list[np.ndarray]) -> bytes:
    """Quantise an ONNX file statically by ONNX Runtime, the weights of each channel by themselves."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> Any:
            batch = next(self._batches, None)
            return None if batch is None else {"pixels": batch}

    with TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(model)
        activations = QuantType.QUInt8  # quicker than signed ones on these processors
        quantize_static(before, after, Batches(), per_channel=True, activation_type=activations)
        return after.read_bytes()


@dataclass(frozen=True)
class Images:
    """Resized images of a category: learnt, calibrating, held out with synthetic defects, tested with labels."""

    learnt: list[Image]
    calibrating: list[Image]
    held_out: list[Image]
    tested: list[Image]
    labels: np.ndarray

    @classmethod
    def of(cls, samples: Samples, defects: Any, size: int) -> "Images":
        """Divide the good images that are not tested; defects are drawn on those held out."""
        table, images = samples.table, samples.images
        rest = table[(table["split"] != "test") & (table["label"] == 0)]
        order = np.random.default_rng(0).permutation(len(rest))
        n_learnt = min(LEARNT, round(0.6 * len(rest)))
        n_calibrating = min(CALIBRATING, round(0.2 * len(rest)))
        split = np.repeat(
            ["train", "calibration"],
            [n_learnt + n_calibrating, len(rest) - n_learnt - n_calibrating],
        )
        rest = rest.iloc[order].assign(split=split).iloc[: n_learnt + 2 * n_calibrating]
        good = Samples(rest, images)

        def resized(some: Samples) -> list[Image]:
            return [(name, resize_image(image, size)) for name, image in some.stream()]

        made = synthesize_defects(good, estimate_saliency(good, defects), size, defects)
        bad = [(f"defect {number}", image) for number, image in enumerate(made.images)]
        learning = resized(good.good_training)
        return cls(
            learning[:n_learnt], learning[n_learnt:], resized(good.held_out_good) + bad,
            resized(samples.test), samples.test.table["label"].to_numpy(),
        )  # fmt: skip


class Inspection:
    """Detector of the learnt images, by a network.

    Args:
        network: The network.
        learnt: The images.
        rows: Rows of the coreset; None selects them.
        seed: Seed of the selection.
    """

    def __init__(
        self, network: Network, learnt: list[Image], rows: np.ndarray | None = None, seed: int = 0
    ) -> None:
        self._network = network
        settings = BANK.model_copy(update={"seed": seed})
        whole = collect_patches(self._patches(learnt), len(learnt), {}, settings)
        coreset = select_coreset(whole, settings) if rows is None else Coreset.selected(whole, rows)
        self.rows = coreset.rows
        density = measure_local_density(whole, coreset, SCORING.max_neighbors)
        own = search_own_images(whole, coreset, set(evenly_chosen(whole.image_ids)))
        fitted = MemoryBankDetector.of(coreset.of(whole), density, SCORING, own)
        self._detector = fitted.lean()

    def _patches(self, images: Iterable[Image]) -> Iterator[Image]:
        return ((name, self._network(pixels[None])[0]) for name, pixels in images)

    def scores(self, images: Iterable[Image]) -> np.ndarray:
        """Score images."""
        return self._detector.score(self._detector.search(self._patches(images))).image_scores

    def inspect(self, image: Image) -> None:
        """Compute score and map of a resized image."""
        found = self._detector.score(self._detector.search(self._patches([image])))
        list(found.anomaly_maps(image[1].shape[0], SCORING.smoothing_sigma))


def in_turns(work: Mapping[str, Callable[[Image], Any]], images: list[Image]) -> dict[str, float]:
    """Median processor time of each work in milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(REPEATS):
        for name, run in work.items():
            begin = time.process_time()
            run(images[number % len(images)])
            taken[name].append(time.process_time() - begin)
    return {name: 1000 * float(np.median(times)) for name, times in taken.items()}


def measure(images: Images, ways: Mapping[str, Network]) -> pd.DataFrame:
    """Measure a category: one row for each way to compute the network, and one for another coreset."""
    first = Inspection(ways[FLOAT], images.learnt)
    inspections = {FLOAT: first, OTHER: Inspection(ways[FLOAT], images.learnt, seed=1)}
    compared = [name for name in COMPARED if name in ways]
    for name in compared:
        inspections[name] = Inspection(ways[name], images.learnt, first.rows)
    table = pd.DataFrame(index=[*inspections, TIMED])
    found: dict[str, np.ndarray] = {}
    for name, inspection in inspections.items():
        calibration = inspection.scores(images.calibrating)
        p = found[name] = p_values(inspection.scores(images.held_out), calibration)
        apart, same = np.abs(p - found[FLOAT]), (p <= RATE) == (found[FLOAT] <= RATE)
        value = 100 * float(auroc(images.labels, inspection.scores(images.tested)))
        decides = can_flag(conformal_threshold(calibration, RATE))
        table.loc[name, "AUROC"] = value
        table.loc[name, "change"] = value - table.loc[FLOAT, "AUROC"]
        table.loc[name, "same verdicts, %"] = 100 * same.mean() if decides else np.nan
        table.loc[name, "p-values apart, mean"] = apart.mean()
        table.loc[name, "largest"] = apart.max()
        sys.stderr.write(f"{name}: {value:.2f}\n")
    alone = {name: lambda image, run=run: run(image[1][None]) for name, run in ways.items()}
    whole = {name: inspections[name].inspect for name in (FLOAT, *compared)}
    table["network, ms"] = pd.Series(in_turns(alone, images.tested))
    table["inspection, ms"] = pd.Series(in_turns(whole, images.tested))
    return table


def main() -> None:
    """Measure the categories of an environment that are there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("env")
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--categories", nargs="+")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", default="imagenet")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = FeatureSettings(
        backbone=arguments.backbone, weights=arguments.weights, neck="combined", image_size=256
    )
    bootstrap_project(Path.cwd())
    root = {"data_root": arguments.data_root}
    with KedroSession.create(env=arguments.env, runtime_params=root) as session:
        context = session.load_context()
        for category in arguments.categories or categories():
            opened = context.catalog.load(f"{category}.raw_images")
            defects = context.params[category]["defect_synthesis"]
            images = Images.of(Samples(opened.table, opened), defects, settings.image_size)
            photos = [pixels for _, pixels in images.learnt[:QUANTISED_ON]]
            table = measure(images, networks(settings, photos))
            table.index = pd.Index([f"{category}, {name}" for name in table.index], name="category")
            sys.stdout.write(f"{markdown(table)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
