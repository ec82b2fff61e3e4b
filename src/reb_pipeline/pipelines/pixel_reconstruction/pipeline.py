"""DAG of the pixel reconstruction pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.namespaces import COMPUTE, GPU, per_category
from reb_pipeline.pipelines.pixel_reconstruction.nodes import (
    draw_reconstructions,
    score_pixel_models,
    train_autoencoder,
    train_skip_autoencoder,
    train_variational_autoencoder,
)

# Copied from reconstruction.pixel_networks, which takes seconds to import.
MODELS = {
    "autoencoder": train_autoencoder,
    "variational_autoencoder": train_variational_autoencoder,
    "skip_autoencoder": train_skip_autoencoder,
}


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images -> three models -> scores, table, examples of reconstructions."""
    models = [f"pixel_model_{model}" for model in MODELS]
    template = Pipeline(
        [
            *(
                Node(
                    train,
                    [
                        "samples",
                        "raw_images",
                        f"pixel_checkpoint_{model}",
                        "params:pixel_reconstruction",
                        COMPUTE,
                    ],
                    [f"pixel_model_{model}", f"pixel_history_{model}"],
                    name=f"train_{model}",
                    tags=GPU,
                )
                for model, train in MODELS.items()
            ),
            Node(
                score_pixel_models,
                [
                    "samples",
                    "raw_images",
                    "synthetic_defects",
                    "params:features",
                    "params:scoring",
                    "params:evaluation",
                    COMPUTE,
                    *models,
                ],
                ["pixel_reconstruction_scores", "pixel_reconstruction_table"],
                name="score_pixel_models",
                tags=GPU,
            ),
            Node(
                draw_reconstructions,
                [
                    "samples",
                    "raw_images",
                    "synthetic_defects",
                    "pixel_reconstruction_scores",
                    "params:scoring",
                    COMPUTE,
                    *models,
                ],
                "pixel_reconstructions",
                name="draw_pixel_reconstructions",
            ),
        ]
    )
    return per_category("pixel_reconstruction", template)
