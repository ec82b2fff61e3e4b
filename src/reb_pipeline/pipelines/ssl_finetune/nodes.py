"""Nodes of the fine-tuning pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import (
    ComputeParams,
    DefectSynthesisParams,
    FeatureParams,
    SSLFinetuneParams,
)


def finetune_backbone(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    synthetic_defects: SyntheticDefects,
    finetuning_checkpoint: Checkpoint,
    features: FeatureParams,
    defects: DefectSynthesisParams,
    params: SSLFinetuneParams,
    compute: ComputeParams,
) -> tuple[BackboneWeights, dict[str, Any]]:
    """Adapt the backbone to the category, or leave it as it is where fine-tuning is off."""
    from reb_pipeline.finetuning.adapt import adapt_backbone, keep_backbone
    from reb_pipeline.finetuning.settings import FinetuneSettings
    from reb_pipeline.pipelines.good_images import train_and_held_out

    if not params.enabled:
        return keep_backbone(
            features.backbone, features.weights, features.layers, features.network_size
        )
    side = params.chosen.image_size
    train, held_out = train_and_held_out(samples, raw_images, saliency, side)
    return adapt_backbone(
        features.backbone,
        features.weights,
        train,
        held_out,
        synthetic_defects,
        kinds=defects.kinds(),
        textures=defects.textures(),
        side=side,
        settings=FinetuneSettings(**params.settings()),
        checkpoint=finetuning_checkpoint,
        device=compute.processor(),
        description=f"{raw_images.category}: fine-tuning of the backbone",
    )


def draw_training_curve(history: dict[str, Any]) -> Any:
    """Draw loss and accuracy of the fine-tuning."""
    from reb_pipeline.figures.training import training_figure

    return training_figure(history, "Fine-tuning on synthetic defects")
