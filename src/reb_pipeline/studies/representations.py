"""Backbones of a category: with initial weights, or fine-tuned once on synthetic defects."""

import hashlib
from contextlib import suppress
from typing import Any

import fsspec
import numpy as np

from reb_pipeline.core.content_cache import Cache, entry, remember_arrays
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.detectors.sources.cached import CachedCheckpoint
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.folder import read_file
from reb_pipeline.images.samples import Samples
from reb_pipeline.studies.sections import StudySections


def backbone_of(own: StudySections, samples: Samples, cache: Cache) -> BackboneWeights:
    """Load the backbone of a configuration, fine-tuned if its representation requires it.

    Args:
        own: The sections with the configuration's values, see
            :meth:`reb_pipeline.studies.sections.StudySections.under`.
        samples: The samples of the configuration, with the column ``sha256``.
        cache: Cache of fine-tuned weights and of unfinished fine-tuning.

    Raises:
        InputError: If the backbone or its weights cannot be used, or synthetic defects cannot be made.
    """
    initial = Encoder.initial(own.features).backbone
    if not own.ssl_finetune.enabled:
        return initial
    good, held_out = samples.good_finetuning.table, samples.held_out_good.table
    name = entry(
        "backbones",
        initial=initial.fingerprint,
        backbone=own.features.backbone,
        good=good["sha256"].tolist(),
        held_out=held_out["sha256"].tolist(),
        image_size=own.features.image_size,
        defects=defects_content(own.defect_synthesis, [*good["path"], *held_out["path"]]),
        finetuning=_finetuning_content(own),
    )

    def finetune() -> dict[str, np.ndarray]:
        from reb_pipeline.finetuning.adapt import finetune_backbone

        saliency, synthetic = synthesize(own, samples, Purpose.VALIDATION)
        backbone, _ = finetune_backbone(
            samples, saliency, synthetic, own.features, own.defect_synthesis, own.ssl_finetune,
            CachedCheckpoint(cache, name), own.compute.processor(),
        )  # fmt: skip
        return {key: tensor.numpy() for key, tensor in backbone.state.items()}

    import torch

    kept = remember_arrays(cache, name, finetune)
    state = {key: torch.from_numpy(array) for key, array in kept.items()}
    return BackboneWeights(state, {**initial.config, "finetuned": True})


def synthesize(
    own: StudySections, samples: Samples, purpose: Purpose
) -> tuple[SaliencyMaps, SyntheticDefects]:
    """Make saliency maps of good images, and synthetic defects on the held-out ones."""
    from reb_pipeline.defectmaker.synthesis import estimate_saliency, synthesize_defects

    settings, size = own.defect_synthesis, own.features.image_size
    saliency = estimate_saliency(samples, settings)
    return saliency, synthesize_defects(samples, saliency, size, settings, purpose)


def defects_content(settings: DefectSynthesisSettings, paths: list[str]) -> dict[str, Any]:
    """List what determines synthetic defects besides the pixels: settings, files that they name, paths of maps.

    Raises:
        InputError: If a file or folder cannot be read.
    """
    content: dict[str, Any] = {"settings": settings.model_dump(mode="json")}
    if settings.saliency in ("onnx", "folder"):
        content["saliency_source"] = _digest_of(str(settings.saliency_source))
    if settings.saliency == "folder":  # a map is found by the path of its image
        content["paths"] = paths
    if "texture" in settings.fills:
        content["texture_folder"] = _digest_of(str(settings.texture_folder))
    return content


def _finetuning_content(own: StudySections) -> dict[str, Any]:
    chosen = own.ssl_finetune
    shared = chosen.model_dump(include={"loss", "momentum", "weight_decay", "seed"})
    return {**shared, **chosen.chosen.model_dump()}


def _digest_of(path: str) -> str:
    """Hash a file, or the names and contents of all files below a folder; a missing path gives the hash of nothing.

    Pipes, devices and files that cannot be read count by their names.
    """
    filesystem, root = fsspec.url_to_fs(path)
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(filesystem.find(root)):
        digest.update(hashlib.sha256(name.removeprefix(root).encode()).digest())
        with suppress(OSError):
            digest.update(hashlib.sha256(read_file(filesystem, name)).digest())
    return digest.hexdigest()
