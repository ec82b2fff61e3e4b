"""The parts that were inspected last, out of the tables of all inspections."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.results import FORMER_COLUMNS, UNREADABLE

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.calibration.record import Calibration


def latest_parts(
    history: "Mapping[str, Callable[[], pd.DataFrame]]", calibration: "Calibration", n: int
) -> "pd.DataFrame":
    """Gather the parts that were inspected last with the model of a calibration.

    Tables are opened from the newest back to the first that was made with another calibration; an inspection that was
    resumed stands in several of them and counts once.

    Args:
        history: What opens each table of inspections, by names that sort by time.
        calibration: Of the model.
        n: Number of parts at most.

    Returns:
        The rows of readable images, oldest first.

    Raises:
        InputError: If the newest table was made with another calibration, or holds no readable image.
    """
    import pandas as pd

    rows: pd.DataFrame | None = None
    for name in sorted(history, reverse=True):
        table = history[name]().rename(columns=FORMER_COLUMNS)
        table = table[table["verdict"] != UNREADABLE]
        if not _is_of(calibration, table):
            if rows is None:
                msg = (
                    f"The inspections {name!r} were made with another calibration than is to be compared with: package "
                    f"the model and inspect again, or give the calibration they were made with by --load-versions."
                )
                raise InputError(msg)
            break
        rows = table if rows is None else pd.concat([table, rows])
        rows = rows.drop_duplicates(["path", "time"])
        if len(rows) >= n:
            break
    if rows is None or rows.empty:
        msg = "No readable image was inspected yet: run the pipeline inspection on parts first."
        raise InputError(msg)
    return rows.sort_values("time", kind="stable").tail(n).reset_index(drop=True)


def _is_of(calibration: "Calibration", table: "pd.DataFrame") -> bool:
    """Whether the p-values of a table are those of a calibration."""
    expected = calibration.p_values(table["image_score"].to_numpy(np.float64))
    return np.allclose(table["p_value"].to_numpy(np.float64), expected, rtol=0, atol=1e-9)
