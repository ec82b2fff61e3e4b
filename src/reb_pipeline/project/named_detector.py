"""Check before a run that its pipelines can work with the detector that the settings name."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.project.provenance import is_parameter

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

OF_A_MEMORY_BANK = ("detector", "memory_bank")  # datasets of a category


def check_detector(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Check that the settings name the memory bank where nodes work with one.

    Raises:
        InputError: If they name another detector.
    """
    from reb_pipeline.scoring.settings import MEMORY_BANK, ScoringSettings

    for node in pipeline.nodes:
        for name in sorted({*node.inputs, *node.outputs}):
            category, _, dataset = name.rpartition(".")
            if is_parameter(name) or dataset not in OF_A_MEMORY_BANK:
                continue
            given = catalog[f"params:{category}.scoring"].load()
            detector = ScoringSettings.model_validate(given).detector
            if detector != MEMORY_BANK:
                msg = (
                    f"scoring.detector = {detector!r} has no memory bank, which {node.name} works with (only a memory "
                    f"bank is packaged and updated): run the pipeline detection, which scores and calibrates it, or "
                    f"set scoring.detector to {MEMORY_BANK}."
                )
                raise InputError(msg)
