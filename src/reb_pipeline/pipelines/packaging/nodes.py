"""Nodes of the packaging pipeline."""

import logging
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.inspection.model import PackagedModel
from reb_pipeline.memory_bank.bank import Coreset, MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.parameters.sections import ComputeParams, FeatureParams, ScoringParams
from reb_pipeline.pipelines.image_search import search_samples

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.parity import Parity

COMPARED_IMAGES = 16

logger = logging.getLogger(__name__)


def package_model(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    local_density: LocalDensity,
    calibration: Calibration,
    features: FeatureParams,
    scoring: ScoringParams,
    compute: ComputeParams,
) -> PackagedModel:
    """Put everything that inspection needs together, once it is shown to judge as the training pipeline does."""
    import fsspec

    from reb_pipeline.features.extractor import PatchExtractor
    from reb_pipeline.features.onnx_export import export_onnx
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.model import only_coreset, pack, write_model

    memory_bank.insist_on(features.provenance(backbone))
    bank = only_coreset(memory_bank, coreset)
    _insist_on_one_coreset(bank, local_density, calibration, scoring)
    settings = features.extractor_settings(backbone) | {"engine": "torch"}
    extractor = PatchExtractor(**settings, device="cpu")
    model = pack(
        raw_images.category,
        export_onnx(extractor.network, extractor.network_size),
        extractor.tiles,
        bank,
        local_density,
        calibration,
        _good_images(bank, samples, raw_images, features),
    )
    with TemporaryDirectory() as folder:
        write_model(model, folder, fsspec.filesystem("file"))
        inspector = Inspector.load(folder)
    parity = _compare(
        inspector, samples, raw_images, backbone, memory_bank, coreset, local_density, calibration,
        features, scoring, compute,
    )  # fmt: skip
    parity.insist()
    return model


def check_package(
    packaged_model: PackagedModel,
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    local_density: LocalDensity,
    calibration: Calibration,
    features: FeatureParams,
    scoring: ScoringParams,
    compute: ComputeParams,
) -> dict[str, Any]:
    """Compare the packaged model that is there with the training pipeline."""
    from reb_pipeline.inspection.inspector import Inspector

    parity = _compare(
        Inspector(packaged_model), samples, raw_images, backbone, memory_bank, coreset, local_density,
        calibration, features, scoring, compute,
    )  # fmt: skip
    parity.insist()
    logger.info("%s: %s", raw_images.category, parity.statement())
    return parity.figures()


def _insist_on_one_coreset(
    bank: MemoryBank, local_density: LocalDensity, calibration: Calibration, scoring: ScoringParams
) -> None:
    """Check that density and calibration are those of the coreset, and the calibration that of the scoring.

    Raises:
        InputError: If they are not.
    """
    from reb_pipeline.memory_bank.bank import fingerprint

    key = fingerprint(bank.features)
    local_density.insist_on(key)
    if calibration.coreset_fingerprint != key:
        msg = "The calibration is that of another coreset than is there now: run the pipeline calibration again."
        raise InputError(msg)
    for name, value in scoring.model_dump(mode="json").items():
        used = calibration.scoring.get(name)
        if used != value:
            msg = (
                f"The calibration was made with scoring.{name} = {used!r}, not {value!r}: run the pipeline calibration "
                f"again, or set scoring.{name} back."
            )
            raise InputError(msg)


def _good_images(
    bank: MemoryBank, samples: pd.DataFrame, raw_images: ImageCollection, features: FeatureParams
) -> list[bytes]:
    """The images that own a row of the coreset, as they are packaged.

    Raises:
        InputError: If one of them is no sample any more.
    """
    from reb_pipeline.core.progress import progress
    from reb_pipeline.inspection.model import good_image

    paths = dict(zip(samples["id"], samples["path"], strict=True))
    gone = [image_id for image_id in bank.image_ids if image_id not in paths]
    if gone:
        msg = (
            f"The memory bank knows {len(gone)} images that are no samples any more, the first {gone[0]!r}: run the "
            f"pipeline memory_bank again."
        )
        raise InputError(msg)
    description = f"{raw_images.category}: good images packaged"
    return [
        good_image(raw_images.open_image(paths[image_id]), features.image_size)
        for image_id in progress(bank.image_ids, description)
    ]


def _compare(
    inspector: "Inspector",
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    local_density: LocalDensity,
    calibration: Calibration,
    features: FeatureParams,
    scoring: ScoringParams,
    compute: ComputeParams,
) -> "Parity":
    """Compare a packaged model with the training pipeline on some held-out good images, evenly spread."""
    from reb_pipeline.images.samples import held_out_good
    from reb_pipeline.inspection.parity import Trained, compare
    from reb_pipeline.scoring.patch_scores import search_depth

    held_out = held_out_good(samples)
    n = min(COMPARED_IMAGES, len(held_out))
    chosen = held_out.iloc[np.linspace(0, len(held_out) - 1, n).astype(int)]
    expected = search_samples(
        chosen,
        raw_images,
        backbone,
        memory_bank,
        coreset,
        features,
        compute,
        search_depth(scoring.scorer, scoring.max_neighbors),
        "images for comparison searched",
    )
    trained = Trained(
        coreset.features(memory_bank), local_density, calibration, scoring, features.image_size
    )
    images = (raw_images.open_image(path) for path in chosen["path"])
    return compare(inspector, images, expected, trained)
