"""Check before a run that its pipelines can work with the detector that the settings name."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.project.provenance import is_parameter

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

# Datasets of a category.
OF_A_MEMORY_BANK = ("detector", "memory_bank")
DETECTION = "detection_detector"


def check_detector(pipeline: "Pipeline", catalog: "CatalogProtocol") -> None:
    """Check that the settings name the memory bank where nodes work with one, and one to package where it is packaged.

    Raises:
        InputError: If they name another detector.
    """
    from reb_pipeline.scoring.settings import GAUSSIANS, MEMORY_BANK, NOT_PACKAGED, ScoringSettings

    for node in pipeline.nodes:
        for name in sorted({*node.inputs, *node.outputs}):
            category, _, dataset = name.rpartition(".")
            if is_parameter(name) or dataset not in (*OF_A_MEMORY_BANK, DETECTION):
                continue
            given = catalog[f"params:{category}.scoring"].load()
            detector = ScoringSettings.model_validate(given).detector
            if dataset in OF_A_MEMORY_BANK and detector != MEMORY_BANK:
                is_packaged = detector in GAUSSIANS
                packaged = " (and detection_packaging for a packaged model)" if is_packaged else ""
                msg = (
                    f"scoring.detector = {detector!r} has no memory bank, which {node.name} works with: run the "
                    f"pipeline detection instead{packaged}, or set scoring.detector to {MEMORY_BANK}."
                )
                raise InputError(msg)
            if name in node.inputs and dataset == DETECTION and detector not in GAUSSIANS:
                if detector == MEMORY_BANK:
                    msg = "The detector memory_bank is packaged by the pipeline packaging: run that one."
                    raise InputError(msg)
                raise InputError(NOT_PACKAGED.format(detector))
