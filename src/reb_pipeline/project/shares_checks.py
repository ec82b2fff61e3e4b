"""Check before a run that good images are there for what is asked of them."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.parameters.loader import categories
from reb_pipeline.pipelines.namespaces import RAW_IMAGES

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from reb_pipeline.images.collection import Sample

logger = logging.getLogger(__name__)


def check_shares(
    pipeline: "Pipeline",
    catalog: "CatalogProtocol",
    list_samples: "Callable[[str], list[Sample]]",
) -> None:
    """Say of each category how its good images are shared out, and whether they can keep the false-alarm rate.

    Raises:
        InputError: If the probability of detection is to be measured, and there can be no threshold, or there are too
            few parts.
    """
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.images.parts import count_parts
    from reb_pipeline.metrics.detection_probability import check_parts
    from reb_pipeline.parameters.sections import CalibrationParams
    from reb_pipeline.project.photos import shares_of

    for category in categories():
        if f"{category}.inventory" not in pipeline.all_outputs():
            continue  # the images were shared out by an earlier run
        samples = list_samples(f"{category}{RAW_IMAGES}")
        given = catalog[f"params:{category}.calibration"].load()
        params = CalibrationParams.model_validate(given)
        in_folder = len(list_images(params.folder)[1].images) if params.folder else 0
        good = [one for one in samples if one.label == 0]
        per_part = max(1, len(good)) / max(1, count_parts(good).total())
        shares = shares_of(samples, params.folder, int(in_folder / per_part))
        can_flag = shares.can_flag(params.false_alarm_rate)
        statement = shares.statement(params.false_alarm_rate)
        log = logger.info if can_flag else logger.warning
        log("%s: %s", category, statement)
        if f"{category}.defect_draws" in pipeline.all_outputs():
            if not can_flag:
                msg = f"The probability of detection of {category} needs a threshold: {statement}"
                raise InputError(msg)
            check_parts(shares.calibration, category, shares.to_hold_out(params.false_alarm_rate))
