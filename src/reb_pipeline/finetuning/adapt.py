"""From a category's good images to its backbone."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.maker import DefectKind
from reb_pipeline.defectmaker.records import SyntheticDefects
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.backbones import load_backbone, load_deepest
from reb_pipeline.finetuning.network import ProxyNetwork
from reb_pipeline.finetuning.settings import FinetuneSettings
from reb_pipeline.finetuning.task import CachedImages, SyntheticTask
from reb_pipeline.finetuning.training import ValidationSet, finetune
from reb_pipeline.images.resize import resize_image

GOOD = "good"  # the class of label 0


def keep_backbone(
    backbone: str, weights: str, layers: Sequence[str | int] | None, image_size: int
) -> tuple[BackboneWeights, dict[str, Any]]:
    """Take a backbone as it is; arguments of :func:`reb_pipeline.features.backbones.load_backbone`.

    Returns:
        Its weights, and a history without updates.

    Raises:
        InputError: If backbone, layers or weights cannot be used.
    """
    network = load_backbone(backbone, image_size=image_size, layers=layers, weights=weights).network
    config = {"backbone": backbone, "weights": weights, "finetuned": False}
    return BackboneWeights(network.state_dict(), config), _history([], [], [])


def adapt_backbone(
    backbone: str,
    weights: str,
    train: GoodImages,
    held_out: GoodImages,
    synthetic_defects: SyntheticDefects,
    *,
    kinds: Sequence[DefectKind],
    textures: Sequence[np.ndarray] | None,
    side: int,
    settings: FinetuneSettings,
    checkpoint: Checkpoint,
    device: str = "auto",
    description: str | None = None,
) -> tuple[BackboneWeights, dict[str, Any]]:
    """Fine-tune a backbone to tell good images and synthetic defects apart (REB paper section 3.1).

    Args:
        backbone: Name of the backbone.
        weights: What it starts from.
        train: Good images to train on, resized to ``side``.
        held_out: Good images to validate on, resized to ``side``.
        synthetic_defects: Defects to validate on, of the same kinds.
        kinds: Kinds of defects to draw.
        textures: What the fill ``texture`` cuts from.
        side: Side of the training images in pixels.
        settings: How long, how fast, at which loss.
        checkpoint: Where to go on from, and to write to.
        device: See :func:`reb_pipeline.core.device.torch_device`.
        description: Label of the progress bar; no bar without it.

    Returns:
        The weights, and the history as JSON values: ``classes``, ``updates`` and ``validations``, see
        :class:`reb_pipeline.core.resumable_training.History` and :func:`reb_pipeline.finetuning.training.finetune`.

    Raises:
        InputError: If backbone or weights cannot be used, or the synthetic defects are of other kinds.
    """
    names = [kind.name for kind in kinds]
    if synthetic_defects.kinds != names:
        msg = (
            f"The synthetic defects are of the kinds {synthetic_defects.kinds}, not {names}: run the pipeline "
            f"defect_synthesis again."
        )
        raise InputError(msg)
    network = ProxyNetwork(
        load_deepest(backbone, image_size=side, weights=weights),
        1 + len(names),
        image_size=side,
        freeze_batch_norm=settings.freeze_batch_norm,
        frozen_depth=settings.frozen_depth,
        seed=settings.seed,
    )
    config = {
        "backbone": backbone,
        "weights": weights,
        "finetuned": True,
        "kinds": names,
        "image_size": side,
        "settings": asdict(settings),
    }
    with tempfile.TemporaryDirectory() as folder:
        digest = hashlib.blake2b(json.dumps(config).encode(), digest_size=16)
        digest.update(
            BackboneWeights(network.backbone.network.state_dict(), {}).fingerprint.encode()
        )
        images = CachedImages.write(Path(folder), _hashed(train, digest), len(train), side)
        history = finetune(
            network,
            SyntheticTask(images, kinds, textures, settings.seed),
            _validation_set(held_out, synthetic_defects, side),
            settings,
            checkpoint,
            origin=digest.hexdigest(),
            device=device,
            description=description,
        )
    state = network.cpu().backbone.network.state_dict()
    return BackboneWeights(state, config), _history(
        [GOOD, *names], history.updates, history.validations
    )


def _hashed(images: GoodImages, digest: Any) -> Iterator[Donor]:
    """Hand the images on and put their pixels and saliency into a hash."""
    for donor in images:
        digest.update(donor.image.tobytes())
        digest.update(donor.saliency.tobytes())
        yield donor


def _validation_set(
    held_out: GoodImages, synthetic_defects: SyntheticDefects, side: int
) -> ValidationSet:
    """As many good images as defects of a kind, where there are so many."""
    per_kind = len(synthetic_defects.labels) // len(synthetic_defects.kinds)
    good = [held_out[index].image for index in range(min(per_kind, len(held_out)))]
    defective = [resize_image(image, side) for image in synthetic_defects.images]
    labels = np.concatenate([np.zeros(len(good), np.int64), synthetic_defects.labels])
    return ValidationSet(np.stack([*good, *defective]), labels)


def _history(classes: list[str], updates: list[Any], validations: list[Any]) -> dict[str, Any]:
    return {"classes": classes, "updates": updates, "validations": validations}
