"""DAG of the feature reconstruction pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.evaluation.nodes import compute_metrics
from reb_pipeline.pipelines.feature_reconstruction.nodes import (
    draw_decoder_curve,
    draw_residual_maps,
    fuse_residual_maps,
    reconstruct_features,
    train_feature_decoder,
)
from reb_pipeline.pipelines.namespaces import COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images -> feature_decoder -> residuals -> scores, maps, metrics, figures."""
    template = Pipeline(
        [
            Node(
                train_feature_decoder,
                [
                    "samples",
                    "raw_images",
                    "feature_decoder_checkpoint",
                    "params:features",
                    "params:feature_reconstruction",
                    COMPUTE,
                ],
                ["feature_decoder", "feature_decoder_history"],
                name="train_feature_decoder",
                tags=GPU,
            ),
            Node(
                draw_decoder_curve,
                "feature_decoder_history",
                "feature_decoder_curve",
                name="draw_decoder_curve",
            ),
            Node(
                reconstruct_features,
                [
                    "samples",
                    "raw_images",
                    "feature_decoder",
                    "params:features",
                    "params:feature_reconstruction",
                    COMPUTE,
                ],
                ["feature_residuals", "held_out_feature_residuals"],
                name="reconstruct_features",
                tags=GPU,
            ),
            Node(
                fuse_residual_maps,
                [
                    "samples",
                    "feature_residuals",
                    "params:features",
                    "params:feature_reconstruction",
                    "params:scoring",
                ],
                ["feature_reconstruction_scores", "feature_reconstruction_maps"],
                name="fuse_residual_maps",
            ),
            Node(
                compute_metrics,
                [
                    "feature_reconstruction_scores",
                    "raw_images",
                    "feature_reconstruction_maps",
                    "params:evaluation",
                ],
                "feature_reconstruction_metrics",
                name="compute_feature_reconstruction_metrics",
            ),
            Node(
                draw_residual_maps,
                [
                    "feature_reconstruction_scores",
                    "raw_images",
                    "feature_residuals",
                    "feature_reconstruction_maps",
                    "params:evaluation",
                ],
                "residual_maps",
                name="draw_residual_maps",
            ),
        ]
    )
    return per_category(
        "feature_reconstruction", template, outputs=["feature_reconstruction_metrics"]
    )
