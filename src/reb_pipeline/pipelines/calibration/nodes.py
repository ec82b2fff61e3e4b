"""Nodes of the calibration pipeline."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.conformal import images_needed
from reb_pipeline.calibration.record import CALIBRATION_SPLIT, LEFT_OUT, Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.images import leave_out
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.parts import GROUP_BY, part_names
from reb_pipeline.images.samples import held_out_good
from reb_pipeline.memory_bank.bank import MemoryBank
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.parameters.sections import CalibrationParams, ComputeParams
from reb_pipeline.pipelines.calibration.parts import by_part, check_views, n_whole
from reb_pipeline.scoring.detection import Detection
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.fitted import needs_fitted_alpha
from reb_pipeline.scoring.settings import ScoringSettings

if TYPE_CHECKING:
    from reb_pipeline.detectors.sources.encoder import Encoder
    from reb_pipeline.detectors.sources.images import ImageFeatures

ENOUGH_LEFT_OUT = 99  # images, unless the rate needs more

logger = logging.getLogger(__name__)


def search_calibration_images(
    samples: pd.DataFrame,
    backbone: BackboneWeights,
    detector: MemoryBankDetector,
    held_out_patches: NearestPatches,
    features: FeatureSettings,
    params: CalibrationParams,
    compute: ComputeParams,
    category: str,
) -> NearestPatches:
    """Find the nearest coreset rows of every patch of the folder's images.

    Without a folder, return the neighbours of the held-out good images.
    """
    params = CalibrationParams.model_validate(params)  # bank_update stores them as plain values
    backbone.check_learnt(samples)
    detector.bank.check_samples(samples)
    if params.folder is None:
        held_out_patches.check_samples(held_out_good(samples), "ldknn_density", complete=False)
        return held_out_patches
    from reb_pipeline.detectors.sources.encoder import Encoder

    folder, made_with = params.folder, detector.bank.extractor
    good = images_of_folder(
        folder,
        samples,
        detector.bank.image_ids,
        Encoder(features.as_learnt(made_with), backbone, compute.device),
        category,
        made_with,
    )
    found = good.search(detector.bank, detector.scoring.search_depth, compute.processor())
    # The ids contain the folder, so that the calibration always names the folder that was searched.
    return replace(found, image_ids=[_mark(folder) + image_id for image_id in found.image_ids])


def leave_images_out(
    samples: pd.DataFrame,
    memory_bank: MemoryBank,
    backbone: BackboneWeights,
    detector: MemoryBankDetector,
    held_out_patches: NearestPatches,
    features: FeatureSettings,
    params: CalibrationParams,
    compute: ComputeParams,
) -> Calibration:
    """Score training images by detectors fitted without them, where neither folder nor split gives enough images.

    Otherwise, the calibration has no images.
    """
    from reb_pipeline.scoring.left_out import score_left_out

    params = CalibrationParams.model_validate(params)
    detector.bank.check_origin(memory_bank)
    parts = part_names(samples)
    n_split = _n_split(held_out_patches.image_ids, memory_bank.image_ids, samples)
    found = []
    if n_enough := left_out_needed(params, n_split, n_whole(memory_bank.image_ids, samples)):
        found = list(
            score_left_out(
                memory_bank,
                detector,
                n_enough,
                memory_gib=compute.memory_gib,
                device=compute.processor(),
                description="images left out in turn",
                parts=parts,
            )
        )
    none = np.empty((0, memory_bank.features.shape[1]), np.float32)
    peaks = [highest_of_maps(detection, features, detector.scoring) for _, detection in found]
    calibration = Calibration(
        image_scores=np.concatenate([none[:, 0], *(one.image_scores for _, one in found)]),
        peak_scores=np.concatenate([none[:, 0], *peaks]),
        image_ids=[image_id for nearest, _ in found for image_id in nearest.image_ids],
        **params.rates,
        source=LEFT_OUT,
        alpha=detector.alpha,
        coreset_fingerprint=detector.bank.fingerprint,
        scoring=detector.scoring.model_dump(mode="json"),
        mean_features=np.concatenate([none, *(nearest.mean_features for nearest, _ in found)]),
        chosen_by=[*_fitted(detector.scoring), *chosen_by(samples, params, LEFT_OUT)],
        fine_tuned=bool(backbone.config["finetuned"]),
        detector_fingerprint=detector.fingerprint,
    )
    return by_part(calibration, samples)


def calibrate(
    calibration_patches: NearestPatches,
    held_out_patches: NearestPatches,
    detector: MemoryBankDetector,
    features: FeatureSettings,
    scoring: ScoringSettings,
    params: CalibrationParams,
    category: str,
    left_out_calibration: Calibration | None = None,
    samples: pd.DataFrame | None = None,
) -> tuple[Calibration, Any]:
    """Score good images as `evaluation` scores test images, store the scores, and log the guarantee.

    Images that were left out take the place of a split that has too few. Where the samples tell parts of several views
    apart, the scores are those of parts.
    """
    from reb_pipeline.figures.calibration import calibration_figure

    params = CalibrationParams.model_validate(params)
    detector.check_settings(scoring, features.image_size)
    source, image_ids = _origin(
        calibration_patches.image_ids,
        held_out_patches.image_ids,
        detector.bank.image_ids,
        params.folder,
    )
    rate, left_out = params.false_alarm_rate, left_out_calibration
    n_split = n_whole(image_ids, samples) if source == CALIBRATION_SPLIT else 0
    if left_out is not None and params.folder is None and _is_better(left_out, n_split, rate):
        left_out.check_detector(detector.fingerprint)
        left_out.check(detector.bank.fingerprint, scoring.model_dump(mode="json"), detector.alpha)
        calibration = replace(left_out, **params.rates)
    else:
        scores = peaks = np.empty(0, np.float32)
        if image_ids:  # the only image of a bank cannot be compared with others
            detection = detector.score(calibration_patches)
            scores, peaks = detection.image_scores, highest_of_maps(detection, features, scoring)
        calibration = Calibration(
            image_scores=scores,
            peak_scores=peaks,
            image_ids=image_ids,
            **params.rates,
            source=source,
            alpha=detector.alpha,
            coreset_fingerprint=calibration_patches.coreset_fingerprint,
            scoring=scoring.model_dump(mode="json"),
            mean_features=calibration_patches.mean_features,
            chosen_by=[] if params.folder else _by_selection(params),
            detector_fingerprint=detector.fingerprint,
        )
        calibration = by_part(calibration, samples, category)
    log = logger.info if calibration.is_promised else logger.warning
    log("%s: %s", category, calibration.statement())
    title = f"{category}: calibration by {calibration.n_images} {calibration.good_units}"
    return calibration, calibration_figure(calibration, title)


def _n_split(held_out: list[str], training_ids: list[str], samples: pd.DataFrame) -> int:
    """Count the held-out images, or parts, that are not in the bank: those of the calibration split."""
    return 0 if set(held_out) <= set(training_ids) else n_whole(held_out, samples)


def _is_better(left_out: Calibration, n_split: int, rate: float) -> bool:
    """Return True if images that were left out are to calibrate, rather than a split or a few training images."""
    return n_split < min(images_needed(rate), left_out.n_images) or not n_split


def highest_of_maps(
    detection: Detection, features: FeatureSettings, scoring: ScoringSettings
) -> np.ndarray:
    """Find the highest value of each image's anomaly map, float32 [images]."""
    maps = detection.anomaly_maps(features.image_size, scoring.smoothing_sigma)
    return np.array([one.max() for _, one in maps], np.float32)


def left_out_needed(params: CalibrationParams, n_split: int, n_learnt: int) -> int:
    """Count the good images to leave out in turn: 0 where a folder or the split gives enough, or no more are learnt.

    Args:
        params: Rate and folder of the calibration.
        n_split: Number of images, or parts, in the calibration split.
        n_learnt: Number of images, or parts, that the detector learns from.
    """
    needed = images_needed(params.false_alarm_rate)
    if params.folder is not None or n_split >= min(needed, n_learnt):
        return 0
    return needed if ENOUGH_LEFT_OUT < needed <= n_learnt else ENOUGH_LEFT_OUT


def chosen_by(samples: pd.DataFrame, params: CalibrationParams, source: str) -> list[str]:
    """List what chose settings, or images to learn from, with the images of a calibration.

    Args:
        samples: The samples of the category.
        params: Settings of the calibration.
        source: Origin of its images.
    """
    if params.folder is not None:
        return []
    return [*(_left_out(samples) if source == LEFT_OUT else []), *_by_selection(params)]


def _by_selection(params: CalibrationParams) -> list[str]:
    """List what chose settings with the held-out good images of the category."""
    return ["the pipeline selection"] if params.chosen_by_selection else []


def _fitted(scoring: ScoringSettings) -> list[str]:
    """List what was fitted on images of the bank and is not fitted again without those that are left out."""
    return ["scoring.alpha = auto"] if needs_fitted_alpha(scoring) else []


def _left_out(samples: pd.DataFrame) -> list[str]:
    """List the setting that chose the images of the bank, where it left some out for their score."""
    return ["ingestion.leave_out"] if (samples["split"] == leave_out.SPLIT).any() else []


def images_of_folder(
    folder: str,
    samples: pd.DataFrame,
    training_ids: list[str],
    encoder: "Encoder",
    category: str,
    made_with: Mapping[str, Any],
) -> "ImageFeatures":
    """Open the images of the folder for the calibration, without copies of training images and of one another.

    Args:
        folder: The folder.
        samples: The samples of the category.
        training_ids: Ids of the images that the detector learnt from.
        encoder: The network.
        category: Name of the category.
        made_with: Provenance of the features that the detector learnt, with what decides how images are read and
            aligned.

    Raises:
        InputError: If the folder has no image, or none that is left.
    """
    from reb_pipeline.detectors.sources.images import ImageFeatures
    from reb_pipeline.images.channels import Channels
    from reb_pipeline.images.collection import loose_images
    from reb_pipeline.images.folder import not_read_sentences
    from reb_pipeline.images.pose import Pose
    from reb_pipeline.images.samples import Samples
    from reb_pipeline.images.value_range import ValueRange

    learnt = ValueRange.of_json(made_with.get("value_range"))
    channels, pose = (
        Channels.of_json(made_with.get("channels")),
        Pose.of_json(made_with.get("pose")),
    )
    images = loose_images(folder, category, learnt, channels)
    for sentence in not_read_sentences(images.not_read):
        logger.warning("%s: %s: %s", category, folder, sentence)
    if GROUP_BY in samples:
        check_views([sample.path for sample in images.samples], samples, folder)
    table = _without_copies(images, samples, training_ids, folder)
    found = ImageFeatures.of_samples(Samples(table, images), encoder, "calibration images searched")
    return found if pose is None else found.aligned(pose)


def _without_copies(
    images: ImageCollection, samples: pd.DataFrame, training_ids: list[str], folder: str
) -> pd.DataFrame:
    """Select the calibration images that are neither in the bank nor copies of one another, with a warning.

    Images of the bank score lower than new ones, and a copy counts one image twice: the threshold would promise more
    than it keeps.

    Raises:
        InputError: If no image is left.
    """
    from reb_pipeline.images.inventory import take_inventory
    from reb_pipeline.images.samples import content_column

    content = content_column(samples)
    known = set(samples.loc[samples["id"].isin(training_ids), content])
    found = take_inventory(images, f"{images.category}: calibration images compared")
    is_readable = found["error"] == ""  # others are refused when they are opened
    is_known = is_readable & found[content].isin(known)
    is_again = is_readable & ~is_known & found[content].where(is_readable).duplicated()
    if is_known.any() or is_again.any():
        logger.warning(
            "%s: of %d images in %s, %d are copies of training images and %d of one another: they are left out of the "
            "calibration.",
            images.category,
            len(found),
            folder,
            is_known.sum(),
            is_again.sum(),
        )
    if is_known.all():
        msg = (
            f"All {len(found)} images in calibration.folder = {folder!r} are copies of training images of "
            f"{images.category}, so that nothing can be calibrated by them: give images that are not learnt from."
        )
        raise InputError(msg)
    return images.table[~(is_known | is_again)].reset_index(drop=True)


def _origin(
    searched: list[str], held_out: list[str], training_ids: list[str], folder: str | None
) -> tuple[str, list[str]]:
    """Determine the origin of the searched images, and their ids without the folder.

    Held-out images of the bank count as training images; without others they are those that are left out.

    Raises:
        InputError: If the parameters now ask for other images than were searched.
    """
    if folder is not None and all(image_id.startswith(_mark(folder)) for image_id in searched):
        return folder, [image_id.removeprefix(_mark(folder)) for image_id in searched]
    if folder is None and searched == held_out:
        seen = set(searched) <= set(training_ids)
        return LEFT_OUT if seen else CALIBRATION_SPLIT, searched
    msg = (
        f"The images that were searched are not those of calibration.folder = {folder!r}: "
        f"run the pipeline calibration."
    )
    raise InputError(msg)


def _mark(folder: str) -> str:
    return f"{folder}::"  # no other folder has this prefix
