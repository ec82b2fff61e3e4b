"""Parts of several views in a calibration."""

import logging
from collections.abc import Iterable

import pandas as pd

from reb_pipeline.calibration.parts import Views, count_views, parts_of, views_of_parts
from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.parts import GROUP_BY, part_names, views_per_part

logger = logging.getLogger(__name__)


def n_whole(image_ids: list[str], samples: pd.DataFrame | None) -> int:
    """Count images; where the samples tell parts of several views apart, the parts that have all views."""
    parts = None if samples is None else part_names(samples)
    if samples is None or parts is None:
        return len(image_ids)
    names, _ = views_of_parts([parts[one] for one in image_ids], views_per_part(samples))
    return len(names)


def by_part(
    calibration: Calibration, samples: pd.DataFrame | None, category: str = ""
) -> Calibration:
    """Reduce a calibration to parts where the samples tell parts of several views apart.

    Args:
        calibration: Scores of images.
        samples: The samples of the category; None where each image is a part.
        category: Name of the category, for a warning about parts that lack a view; empty warns of none.
    """
    parts = None if samples is None else part_names(samples)
    if samples is None or parts is None:
        return calibration
    views = Views(str(samples[GROUP_BY].iloc[0]), views_per_part(samples))
    names = [parts.get(one) or views.part_of_file(one) for one in calibration.image_ids]
    found = calibration.of_parts(names, views)
    lacking = len(set(names)) - found.n_images
    if category and lacking:
        logger.warning(
            "%s: %d good parts do not calibrate, because they have not all of the %d views.",
            category,
            lacking,
            views.per_part,
        )
    return found


def check_views(names: Iterable[str], samples: pd.DataFrame, folder: str) -> dict[str, str]:
    """Find the parts of further good images, and check that these have as many views as those of the samples.

    Args:
        names: Paths of the images.
        samples: The samples of the category, which tell parts of several views apart.
        folder: Folder of the images, for error messages.

    Raises:
        InputError: If they have not, or a path tells no part.
    """
    group_by, per_part = str(samples[GROUP_BY].iloc[0]), views_per_part(samples)
    parts = parts_of(group_by, names, are_files=True)
    n = count_views(group_by, parts, folder)
    if n != per_part:
        msg = (
            f"By split.group_by = '{group_by}' the parts in {folder} have {n} images each, and those that are learnt "
            f"from {per_part}: the false-alarm rate is promised for parts of one number of views, so give the same."
        )
        raise InputError(msg)
    return parts
