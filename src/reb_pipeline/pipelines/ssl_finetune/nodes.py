"""Nodes of the fine-tuning pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import FeatureSettings
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.samples import Samples
from reb_pipeline.parameters.sections import ComputeParams
from reb_pipeline.pipelines.found_region import with_found_region


def finetune_backbone(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    saliency: SaliencyMaps,
    synthetic_defects: SyntheticDefects,
    finetuning_checkpoint: Checkpoint,
    features: FeatureSettings,
    defects: DefectSynthesisSettings,
    params: SSLFinetuneSettings,
    compute: ComputeParams,
) -> tuple[BackboneWeights, dict[str, Any]]:
    """Fine-tune the backbone for the category, or keep it if fine-tuning is disabled."""
    from reb_pipeline.finetuning import adapt

    there = Samples(samples, raw_images)
    if params.enabled:
        features = with_found_region(features, there)
    return adapt.finetune_backbone(
        there,
        saliency,
        synthetic_defects,
        features,
        defects,
        params,
        finetuning_checkpoint,
        compute.processor(),
    )


def draw_training_curve(history: dict[str, Any]) -> Any:
    """Draw loss and accuracy of the fine-tuning."""
    from reb_pipeline.figures.training import training_figure

    return training_figure(history, "Fine-tuning on synthetic defects")
