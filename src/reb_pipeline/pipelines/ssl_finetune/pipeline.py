"""DAG of the fine-tuning pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.pipelines.namespaces import COMPUTE, GPU, per_category
from reb_pipeline.pipelines.ssl_finetune.nodes import draw_training_curve, finetune_backbone


def create_pipeline() -> Pipeline:
    """Create the pipeline: samples, raw_images, saliency, synthetic_defects -> backbone, history, training_curve."""
    template = Pipeline(
        [
            Node(
                finetune_backbone,
                [
                    "samples",
                    "raw_images",
                    "saliency",
                    "synthetic_defects",
                    "finetuning_checkpoint",
                    "params:features",
                    "params:defect_synthesis",
                    "params:ssl_finetune",
                    COMPUTE,
                ],
                ["backbone", "finetuning_history"],
                name="finetune_backbone",
                tags=GPU,
            ),
            Node(
                draw_training_curve,
                "finetuning_history",
                "training_curve",
                name="draw_training_curve",
            ),
        ]
    )
    return per_category("ssl_finetune", template)
