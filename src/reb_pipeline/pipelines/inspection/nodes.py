"""Nodes of the inspection pipeline."""

import logging
from collections.abc import MutableMapping

import pandas as pd

from reb_pipeline.calibration.verdicts import check_can_flag
from reb_pipeline.inspection.model import PackagedModel
from reb_pipeline.parameters.sections import InspectionParams

logger = logging.getLogger(__name__)


def inspect_new_images(
    packaged_model: PackagedModel,
    inspection_files: MutableMapping[str, bytes],
    params: InspectionParams,
) -> tuple[pd.DataFrame, str]:
    """Inspect every image of the folder; overlays and the journal are saved to ``inspection_files`` at once."""
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.inspection.folder import inspect_folder, not_inspected, summary_of, table_of
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.report import report_page

    inspector = Inspector(packaged_model, engine=params.engine)
    if not params.allow_undecided:
        check_can_flag(inspector.calibration, inspector.name, "inspection.allow_undecided=true")
    folder = params.folder(inspector.name)
    inspected = inspect_folder(
        inspector, folder, inspection_files, f"{inspector.name}: images inspected"
    )
    left_out = not_inspected(list_images(folder)[1])
    logger.info("%s: %s", inspector.name, summary_of(inspected))
    if left_out:
        logger.warning("%s: %s", inspector.name, left_out)
    page = report_page(inspector, folder, inspected, inspection_files, left_out)
    return table_of(inspected), page
