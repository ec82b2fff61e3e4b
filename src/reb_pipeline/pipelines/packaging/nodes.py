"""Nodes of the packaging pipeline."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.calibration.verdicts import check_can_flag
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.evenly import spread
from reb_pipeline.core.temporary import temporary_folder
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import Samples
from reb_pipeline.inspection.model import PackagedModel
from reb_pipeline.parameters.sections import ComputeParams, PackagingParams
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.gaussians import StoredDetector
from reb_pipeline.scoring.settings import GDE, NOT_PACKAGED, ScoringSettings

if TYPE_CHECKING:
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.inspection.appearance import Appearance
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.model import Detector
    from reb_pipeline.inspection.parity import Parity
    from reb_pipeline.memory_bank.bank import MemoryBank
    from reb_pipeline.scoring.gaussians import GaussianDetector

COMPARED_IMAGES = 16

logger = logging.getLogger(__name__)


def package_model(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    detector: MemoryBankDetector | StoredDetector,
    calibration: Calibration,
    features: FeatureSettings,
    scoring: ScoringSettings,
    params: PackagingParams,
    compute: ComputeParams,
) -> PackagedModel:
    """Build the packaged model, after checks that it can flag parts and scores like the training pipeline."""
    import fsspec

    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.features.onnx_export import export_onnx
    from reb_pipeline.images.posed import unaligned_at_most
    from reb_pipeline.inspection.appearance import refused_at_most
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.model import pack, write_model

    if not params.allow_undecided:
        check_can_flag(calibration, raw_images.category, "packaging.allow_undecided=true")
    backbone.check_learnt(samples)
    there = Samples(samples, raw_images)
    fitted = _checked(detector, calibration, there, scoring)
    if raw_images.group_by is not None and calibration.views is None:
        msg = (
            f"The calibration of {raw_images.category} is that of images, and split.group_by says that parts have "
            f"several: run all pipelines again, from ingestion on."
        )
        raise InputError(msg)
    features = features.as_learnt(_origin(fitted).extractor)
    encoder = Encoder(features, backbone, compute.device)
    _origin(fitted).check_extractor(_features(there, encoder).provenance)
    if isinstance(fitted, MemoryBankDetector):
        fitted.check_settings(scoring, features.image_size)
    packed = _lean(fitted)
    on_cpu = Encoder(features.model_copy(update={"engine": "torch"}), backbone, "cpu")
    extractor: Any = on_cpu.pooled() if scoring.detector == GDE else on_cpu.patches()
    files, appearance = _good_images(_origin(packed).image_ids, there, features)
    model = pack(
        raw_images.category,
        export_onnx(extractor.network, extractor.network_size),
        getattr(extractor, "tiles", None),
        packed,
        calibration,
        files if params.good_images and isinstance(fitted, MemoryBankDetector) else [],
    )
    refused = refused_at_most(appearance, calibration.mean_features) + unaligned_at_most(there)
    about = {"images": len(appearance.values), "refused_at_most": refused}
    model = replace(model, appearance=appearance, manifest={**model.manifest, "appearance": about})
    logger.info(
        "%s: of good parts, at most %.1f %% are expected to be undecided because they look unlike the good images%s; "
        "this comes on top of the false-alarm rate.",
        raw_images.category,
        100 * refused,
        "" if model.pose is None else " or cannot be aligned",
    )
    with temporary_folder() as folder:
        write_model(model, str(folder), fsspec.filesystem("file"))
        inspector = Inspector.load(str(folder))
    parity = _compare(inspector, there, encoder, fitted, calibration)
    parity.check()
    return model


def check_package(
    packaged_model: PackagedModel,
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    detector: MemoryBankDetector | StoredDetector,
    calibration: Calibration,
    features: FeatureSettings,
    compute: ComputeParams,
) -> dict[str, Any]:
    """Compare the stored packaged model with the training pipeline."""
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.inspection.inspector import Inspector

    there = Samples(samples, raw_images)
    fitted = _checked(detector, calibration, there)
    features = features.as_learnt(_origin(fitted).extractor)
    encoder = Encoder(features, backbone, compute.device)
    parity = _compare(Inspector(packaged_model), there, encoder, fitted, calibration)
    parity.check()
    logger.info("%s: %s", raw_images.category, parity.statement())
    return parity.figures()


def _checked(
    detector: MemoryBankDetector | StoredDetector,
    calibration: Calibration,
    samples: Samples,
    scoring: ScoringSettings | None = None,
) -> "Detector":
    """Return the fitted detector, if it is the calibrated one and has learnt from these samples.

    Raises:
        InputError: If it is not, or one that cannot be packaged.
    """
    if isinstance(detector, MemoryBankDetector):
        detector.bank.check_unseen(samples.test.ids)
        detector.bank.check_samples(samples.table)
        of_bank = detector.scoring.model_dump(mode="json")
        calibration.check_detector(detector.fingerprint)
        calibration.check(detector.bank.fingerprint, of_bank, detector.alpha)
        return detector
    if detector.gaussians is None:
        raise InputError(NOT_PACKAGED.format(detector.name))
    now = calibration.scoring if scoring is None else scoring.model_dump(mode="json")
    calibration.check_detector(detector.gaussians.fingerprint)
    calibration.check("", now, alpha=0.0)
    detector.gaussians.check_samples(samples.table)
    return detector.gaussians


def _origin(detector: "Detector") -> "MemoryBank | GaussianDetector":
    """Return what knows the good images and the settings of the features."""
    return detector.bank if isinstance(detector, MemoryBankDetector) else detector


def _lean(detector: "Detector") -> "Detector":
    """Copy a detector without ids of images that own no row of its bank."""
    from reb_pipeline.inspection.model import with_images_of_rows

    if isinstance(detector, MemoryBankDetector):
        return replace(detector, bank=with_images_of_rows(detector.bank))
    return detector


def _features(samples: Samples, encoder: "Encoder", label: str | None = None) -> "ImageFeatures":
    from reb_pipeline.detectors.sources.images import ImageFeatures

    return ImageFeatures.of_samples(samples, encoder, label)


def _good_images(
    image_ids: list[str], samples: Samples, features: FeatureSettings
) -> "tuple[list[bytes], Appearance]":
    """Encode good images for the packaged model, as JPEG files of the network's size, and measure their appearance.

    Raises:
        InputError: If one of them is no longer a sample.
    """
    from reb_pipeline.images.region import resized
    from reb_pipeline.inspection.appearance import Appearance, appearance_of
    from reb_pipeline.inspection.model import good_image

    known = set(samples.ids)
    gone = [image_id for image_id in image_ids if image_id not in known]
    if gone:
        msg = (
            f"The memory bank knows {len(gone)} images that are no samples any more, the first {gone[0]!r}: run the "
            f"pipeline memory_bank again."
        )
        raise InputError(msg)
    files, values, region = [], [], features.looked_at
    if region is not None:
        region = region.scaled(features.image_size)
    shading = features.shading
    for _, image in samples.named(image_ids).stream("good images packaged"):
        files.append(good_image(image, features.image_size))
        seen = resized(image, features.image_size, region, features.light, shading)
        values.append(appearance_of(image.shape, seen, region))
    return files, Appearance(np.array(values, np.float32))


def _compare(
    inspector: "Inspector",
    samples: Samples,
    encoder: "Encoder",
    detector: "Detector",
    calibration: Calibration,
) -> "Parity":
    """Compare a packaged model with the training pipeline on evenly spaced held-out good images."""
    from reb_pipeline.core.device import torch_device
    from reb_pipeline.detectors.gaussian import grids_of
    from reb_pipeline.inspection.parity import compare

    held_out = samples.held_out_good
    chosen = held_out.only(held_out.table.iloc[spread(len(held_out), COMPARED_IMAGES)])
    images = _features(chosen, encoder, "images for comparison scored")
    expected: Any
    if isinstance(detector, MemoryBankDetector):
        device = str(torch_device(encoder.device))
        expected = images.search(detector.bank, detector.scoring.search_depth, device)
    else:
        expected = detector.search(grids_of(detector.name, images).patches())
    opened = (image for _, image in chosen.as_taken.stream())
    return compare(inspector, opened, expected, detector, calibration)
