"""DAG of the bank update pipeline."""

from kedro.pipeline import Node, Pipeline

from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines import calibration, ldknn_density, memory_bank
from reb_pipeline.pipelines.bank_update.nodes import (
    change_samples,
    keep_false_alarm_rate,
    update_memory_bank,
)
from reb_pipeline.pipelines.namespaces import COMPUTE, GPU, per_category


def create_pipeline() -> Pipeline:
    """Create the pipeline: former state and params:bank_update -> the updated state.

    The state consists of samples, memory_bank, coreset, local_density, detector and calibration. A node cannot write
    its own inputs, so inputs and outputs are two entries of the catalog for the same files. One node reads and writes
    all data that belong together, so that none of them is read in its new version.
    """
    template = Pipeline(
        [
            Node(
                change_samples,
                [
                    "samples_before",
                    "raw_images",
                    "params:bank_update",
                    "params:ingestion",
                    "params:scoring",
                ],
                "samples",
                name="change_samples",
            ),
            Node(
                keep_false_alarm_rate,
                ["calibration_before", "params:bank_update", "params:calibration"],
                "calibration_settings",
                name="keep_false_alarm_rate",
            ),
            Node(
                update_memory_bank,
                [
                    "samples",
                    "raw_images",
                    "backbone",
                    "memory_bank_before",
                    "coreset_before",
                    "local_density_before",
                    "params:features",
                    "params:memory_bank",
                    "params:scoring",
                    COMPUTE,
                ],
                ["memory_bank", "coreset", "local_density"],
                name="update_memory_bank",
                tags=GPU,
            ),
        ]
    )
    fitted = [
        f"{category}.ldknn_density.{node}"
        for category in categories()
        for node in ("search_own_images", "search_held_out_images", "fit_detector")
    ]
    ranked = [f"{category}.memory_bank.rank_suspects" for category in categories()]
    return Pipeline(
        [
            per_category("bank_update", template),
            memory_bank.create_pipeline().only_nodes(*ranked),
            ldknn_density.create_pipeline().only_nodes(*fitted),
            calibration.create_pipeline("calibration_settings"),
        ]
    )
