"""Nodes of the pixel reconstruction pipeline."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.core.progress import progress
from reb_pipeline.core.resumable_training import Checkpoint
from reb_pipeline.defectmaker.records import SyntheticDefects
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.parameters.sections import (
    ComputeParams,
    EvaluationParams,
    FeatureParams,
    PixelReconstructionParams,
    ScoringParams,
)
from reb_pipeline.pipelines.map_scoring import score_maps

if TYPE_CHECKING:
    import numpy as np


Trained = tuple[NetworkWeights, dict[str, Any]]


def _trainer(model: str) -> Callable[..., Trained]:
    def train(
        samples: pd.DataFrame,
        raw_images: ImageCollection,
        checkpoint: Checkpoint,
        params: PixelReconstructionParams,
        compute: ComputeParams,
    ) -> Trained:
        """Learn to reconstruct good images; those held out are validated on."""
        from reb_pipeline.images.samples import good_finetuning, held_out_good
        from reb_pipeline.reconstruction.pixels import train_pixel_model
        from reb_pipeline.reconstruction.training import ReconstructionSettings

        good, side = good_finetuning(samples), params.image_size
        return train_pixel_model(
            _pixels(good, raw_images, side, "good images read"),
            len(good),
            model=model,
            loss=params.loss,
            side=side,
            held_out=_pixels(held_out_good(samples), raw_images, side, "held-out images read"),
            settings=ReconstructionSettings(**params.settings()),
            checkpoint=checkpoint,
            device=compute.processor(),
            description=f"{raw_images.category}: training of the {_words(model)}",
        )

    # By these it is found when a node is sent to another process.
    train.__name__ = train.__qualname__ = f"train_{model}"
    return train


train_autoencoder = _trainer("autoencoder")
train_variational_autoencoder = _trainer("variational_autoencoder")
train_skip_autoencoder = _trainer("skip_autoencoder")


def score_pixel_models(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    synthetic_defects: SyntheticDefects,
    features: FeatureParams,
    scoring: ScoringParams,
    evaluation: EvaluationParams,
    compute: ComputeParams,
    *models: NetworkWeights,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare each model with the truth, and measure how much of a synthetic defect it reconstructs."""
    from reb_pipeline.metrics.registry import measured_metrics
    from reb_pipeline.metrics.report import evaluate
    from reb_pipeline.pipelines.pixel_reconstruction.examples import synthetic_examples
    from reb_pipeline.reconstruction.pixels import PixelReconstructor
    from reb_pipeline.reconstruction.reconstructed_defects import mean_share

    test = samples[samples["split"] == "test"]
    examples = list(synthetic_examples(samples, raw_images, synthetic_defects))
    scores, rows = [], []
    for weights in models:
        model = weights.config["model"]
        reconstructor = PixelReconstructor(weights, compute.processor())
        images = _pixels(test, raw_images, reconstructor.side, f"test images, {_words(model)}")
        of_images, maps = score_maps(
            samples, *reconstructor.patch_scores(images), features, scoring
        )
        report = evaluate(
            of_images,
            maps,
            raw_images,
            pro_fpr_limit=evaluation.pro_fpr_limit,
            spro_fpr_limit=evaluation.spro_fpr_limit,
            description=f"{raw_images.category}: pixel metrics, {_words(model)}",
        )
        share = mean_share(reconstructor, examples)
        row = {"model": model, "loss": reconstructor.loss, **measured_metrics(report)}
        rows.append({**row, "reconstructed_share": share})
        scores.append(of_images.assign(model=model))
    return pd.concat(scores, ignore_index=True), pd.DataFrame(rows)


def draw_reconstructions(
    samples: pd.DataFrame,
    raw_images: ImageCollection,
    synthetic_defects: SyntheticDefects,
    scores: pd.DataFrame,
    scoring: ScoringParams,
    compute: ComputeParams,
    *models: NetworkWeights,
) -> Any:
    """Draw what each model makes of good and defective images, and where it sees a difference."""
    from reb_pipeline.figures.reconstructions import reconstructions_figure
    from reb_pipeline.images.samples import held_out_good
    from reb_pipeline.pipelines.pixel_reconstruction.examples import choose_examples
    from reb_pipeline.reconstruction.pixels import PixelReconstructor
    from reb_pipeline.reconstruction.reconstructed_defects import look_at, usual_residual

    held_out = held_out_good(samples)
    examples = choose_examples(samples, raw_images, synthetic_defects, scores)
    by_model = {}
    for weights in models:
        model = weights.config["model"]
        reconstructor = PixelReconstructor(weights, compute.processor())
        good = _pixels(
            held_out, raw_images, reconstructor.side, f"held-out images, {_words(model)}"
        )
        sigma = scoring.smoothing_sigma
        usual = usual_residual(reconstructor, good, sigma)
        by_model[model] = [look_at(reconstructor, example, usual, sigma) for example in examples]
    title = f"{raw_images.category}: what is reconstructed from pixels, and what is left"
    return reconstructions_figure(examples, by_model, title)


def _pixels(
    samples: pd.DataFrame, raw_images: ImageCollection, side: int, description: str
) -> "Iterator[tuple[str, np.ndarray]]":
    """Stream the images of ``samples``, resized, behind a progress bar."""
    from reb_pipeline.images.resize import resize_image

    rows = progress(
        zip(samples["id"], samples["path"], strict=True),
        f"{raw_images.category}: {description}",
        total=len(samples),
    )
    for image_id, path in rows:
        yield image_id, resize_image(raw_images.open_image(path), side)


def _words(model: str) -> str:
    return model.replace("_", " ")
