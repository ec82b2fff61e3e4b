"""Fine-tuning of a backbone on the good images of a category."""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import Checkpoint, NoCheckpoint
from reb_pipeline.core.sizes import Size
from reb_pipeline.core.temporary import temporary_folder
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.backbones import load_backbone, load_deepest
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.network import ProxyNetwork
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.finetuning.task import CachedImages, SyntheticTask
from reb_pipeline.finetuning.training import ValidationSet, finetune
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import Samples, learnt_from

logger = logging.getLogger(__name__)

GOOD = "good"  # the class of label 0
Adapted = tuple[BackboneWeights, dict[str, Any]]


def finetune_backbone(
    samples: Samples,
    saliency: SaliencyMaps,
    synthetic_defects: SyntheticDefects,
    features: FeatureSettings,
    defects: DefectSynthesisSettings,
    finetuning: SSLFinetuneSettings,
    checkpoint: Checkpoint | None = None,
    device: str = "auto",
) -> Adapted:
    """Fine-tune a backbone to classify good images and synthetic defects (REB paper section 3.1).

    Args:
        samples: The samples of the category: good images for training, held-out good images for validation.
        saliency: Saliency maps of these images.
        synthetic_defects: Defects for validation.
        features: The backbone and its initial weights.
        defects: Kinds of the defects for training, and their textures.
        finetuning: Budget, learning rates and loss; nothing is trained if it is not enabled.
        checkpoint: Checkpoint to resume from and to write to; None keeps no checkpoint.
        device: See :func:`reb_pipeline.core.device.torch_device`.

    Returns:
        The weights, and the history as JSON values: ``classes``, ``updates`` and ``validations``, see
        :class:`reb_pipeline.core.resumable_training.History` and :func:`reb_pipeline.finetuning.training.finetune`.
        If fine-tuning is disabled, these are the initial weights and a history without updates.

    Raises:
        InputError: If backbone or weights cannot be used, or the synthetic defects are of other kinds, images or
            saliency maps, or draws of the training.
    """
    if not finetuning.enabled:
        return _keep_backbone(features)
    kinds, settings = defects.kinds(), finetuning.training
    size = finetuning.chosen.size_of_images(features.image_size)
    names = [kind.name for kind in kinds]
    if synthetic_defects.kinds != names:
        msg = (
            f"The synthetic defects are of the kinds {synthetic_defects.kinds}, not {names}: run the pipeline "
            f"defect_synthesis again."
        )
        raise InputError(msg)
    if synthetic_defects.purpose == Purpose.TRAINING:
        msg = (
            "The synthetic defects are draws that the fine-tuning trains on, as former releases stored them: run the "
            "pipeline defect_synthesis again."
        )
        raise InputError(msg)
    synthetic_defects.check_images(samples.held_out_good.table)
    synthetic_defects.check_saliency(saliency)
    network = ProxyNetwork(
        load_deepest(features.backbone, image_size=size, weights=features.weights),
        1 + len(names),
        image_size=size,
        freeze_batch_norm=settings.freeze_batch_norm,
        frozen_depth=settings.frozen_depth,
        seed=settings.seed,
    )
    config = {
        "backbone": features.backbone,
        "weights": features.weights,
        "finetuned": True,
        "kinds": names,
        "image_size": size,
        "settings": asdict(settings),
    }
    region = features.looked_at
    train = GoodImages(samples.good_finetuning, saliency, size, region)
    held_out = GoodImages(samples.held_out_good, saliency, size, region)
    if set(train.image_ids) & set(held_out.image_ids):
        logger.warning(
            "%s has one good image: the fine-tuning is validated on what it has learnt from. Give a second one.",
            samples.category,
        )
    validation = _validation_set(held_out, synthetic_defects, size)
    with temporary_folder() as folder:
        digest = hashlib.blake2b(json.dumps(config).encode(), digest_size=16)
        digest.update(
            BackboneWeights(network.backbone.network.state_dict(), {}).fingerprint.encode()
        )
        digest.update(validation.images.tobytes())  # a checkpoint keeps how these were classified
        digest.update(validation.labels.tobytes())
        images = CachedImages.write(folder, _hashed(train, digest), len(train), size)
        history = finetune(
            network,
            SyntheticTask(images, kinds, defects.textures(), settings.seed),
            validation,
            settings,
            checkpoint or NoCheckpoint(),
            origin=digest.hexdigest(),
            device=device,
            description=f"{samples.category}: fine-tuning of the backbone",
        )
    state = network.cpu().backbone.network.state_dict()
    learnt = learnt_from(samples.good_finetuning)
    return BackboneWeights(state, {**config, **learnt}), _history(
        [GOOD, *names], history.updates, history.validations
    )


def _keep_backbone(features: FeatureSettings) -> Adapted:
    """Load the initial weights of the layers that the features need."""
    network = load_backbone(
        features.backbone,
        image_size=features.network_size,
        layers=features.layers,
        weights=features.weights,
    ).network
    config = {"backbone": features.backbone, "weights": features.weights, "finetuned": False}
    return BackboneWeights(network.state_dict(), config), _history([], [], [])


def _hashed(images: GoodImages, digest: Any) -> Iterator[Donor]:
    """Yield the images while their pixels and saliency are added to a hash."""
    for donor in images:
        digest.update(donor.image.tobytes())
        digest.update(donor.saliency.tobytes())
        yield donor


def _validation_set(
    held_out: GoodImages, synthetic_defects: SyntheticDefects, size: Size
) -> ValidationSet:
    """Collect at most ``per_kind`` good images, and all stored synthetic defects."""
    per_kind = len(synthetic_defects.labels) // len(synthetic_defects.kinds)
    good = [held_out[index].image for index in range(min(per_kind, len(held_out)))]
    defective = [resize_image(image, size) for image in synthetic_defects.images]
    labels = np.concatenate([np.zeros(len(good), np.int64), synthetic_defects.labels])
    return ValidationSet(np.stack([*good, *defective]), labels)


def _history(classes: list[str], updates: list[Any], validations: list[Any]) -> dict[str, Any]:
    return {"classes": classes, "updates": updates, "validations": validations}
