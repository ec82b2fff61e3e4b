"""Nodes of the evaluation pipeline."""

from typing import Any

import pandas as pd

from reb_pipeline.datasets import ImageCollection
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.neighbors.bank import Coreset, MemoryBank
from reb_pipeline.neighbors.density import LocalDensity
from reb_pipeline.neighbors.maps import AnomalyMaps
from reb_pipeline.neighbors.search import NearestPatches
from reb_pipeline.parameters import EvaluationParams, FeatureParams, LDKNNParams, SummaryParams

SCORE_COLUMNS = (
    "id", "path", "split", "label", "defect_type", "mask_paths", "width", "height"
)  # fmt: skip


def search_memory_bank(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    backbone: BackboneWeights,
    memory_bank: MemoryBank,
    coreset: Coreset,
    params: FeatureParams,
) -> NearestPatches:
    """Find the nearest coreset row of every patch of the test images."""
    from reb_pipeline.features.extractor import PatchExtractor, extract_patches
    from reb_pipeline.neighbors.search import search_images
    from reb_pipeline.progress import progress

    memory_bank.insist_on(params.provenance(backbone))
    test = samples[samples["split"] == "test"]
    rows = progress(
        zip(test["id"], test["path"], strict=True),
        f"{raw_images.category}: test images searched",
        total=len(test),
    )
    images = ((image_id, raw_images.open_image(path)) for image_id, path in rows)
    extractor = PatchExtractor(**params.extractor_settings(backbone))
    patches = extract_patches(extractor, images, params.batch_size)
    return search_images(patches, coreset.features(memory_bank))


def score_images(
    samples: pd.DataFrame,
    nearest_patches: NearestPatches,
    local_density: LocalDensity,
    features: FeatureParams,
    ldknn: LDKNNParams,
) -> tuple[pd.DataFrame, AnomalyMaps]:
    """Score patches by LDKNN; from these, one score and one anomaly map an image."""
    from reb_pipeline.neighbors.maps import AnomalyMaps
    from reb_pipeline.neighbors.scoring import IMAGE_SCORES, ldknn_scores

    local_density.insist_on(nearest_patches.coreset)
    patch_scores = ldknn_scores(
        nearest_patches.squared_distance,
        nearest_patches.rows,
        local_density,
        n_neighbors=ldknn.n_neighbors,
        alpha=ldknn.alpha,
        form=ldknn.form,
    )
    test = samples.set_index("id").loc[nearest_patches.image_ids].reset_index()
    scores = test[[*SCORE_COLUMNS]].assign(
        image_score=IMAGE_SCORES[ldknn.image_score](patch_scores)
    )
    maps = AnomalyMaps(
        patch_scores, nearest_patches.image_ids, features.image_size, ldknn.smoothing_sigma
    )
    return scores, maps


def compute_metrics(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    params: EvaluationParams,
) -> dict[str, Any]:
    """Compare scores and maps with the truth, over all and per defect type."""
    from reb_pipeline.metrics.report import evaluate

    return evaluate(
        scores,
        anomaly_maps,
        raw_images,
        pro_fpr_limit=params.pro_fpr_limit,
        spro_fpr_limit=params.spro_fpr_limit,
        description=f"{raw_images.category}: pixel metrics",
    )


def draw_figures(
    scores: pd.DataFrame,
    raw_images: ImageCollection,
    anomaly_maps: AnomalyMaps,
    metrics: dict[str, Any],
    params: EvaluationParams,
) -> tuple[Any, Any, Any, str]:
    """Draw the ROC curve, the score histogram, the hardest images, and a page with all of them."""
    from reb_pipeline.figures.curves import roc_figure, score_histogram
    from reb_pipeline.figures.examples import hardest_images_of
    from reb_pipeline.figures.page import report_page

    category = raw_images.category
    roc = roc_figure(scores["label"], scores["image_score"], f"{category}: ROC of image scores")
    histogram = score_histogram(scores, f"{category}: image scores")
    hardest = hardest_images_of(
        scores, anomaly_maps, raw_images, params.examples_per_kind, f"{category}: hardest images"
    )
    return roc, histogram, hardest, report_page(category, metrics, [roc, histogram], hardest)


def summarize(params: SummaryParams, *metrics: dict[str, Any]) -> tuple[pd.DataFrame, Any]:
    """Gather the categories into one table with means, and one figure."""
    from reb_pipeline.figures.summary import summary_figure
    from reb_pipeline.metrics.summary import summary_table

    table = summary_table(list(metrics), params.textures)
    return table, summary_figure(table)
