"""Recently inspected parts, from the tables of all inspections."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.text_lists import from_text, to_text
from reb_pipeline.inspection.results import FORMER_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.calibration.record import Calibration


def latest_parts(
    history: "Mapping[str, Callable[[], pd.DataFrame]]", calibration: "Calibration", n: int
) -> "pd.DataFrame":
    """Collect the parts that were inspected last with the model of a calibration.

    Tables are read from the newest backwards, up to the first one with another calibration. A resumed inspection is in
    several tables but counts once.

    Args:
        history: Functions that load the tables of inspections, by name; names sort by time.
        calibration: Calibration of the model.
        n: Largest number of parts.

    Returns:
        The rows of images with a score, oldest first. Where parts have several views, one row for each part that has
        them all: that of its worst view, with the mean of their features and the part as its path.

    Raises:
        InputError: If the newest table was made with another calibration, or has no readable image.
    """
    import pandas as pd

    rows: pd.DataFrame | None = None
    for name in sorted(history, reverse=True):
        table = history[name]().rename(columns=FORMER_COLUMNS)
        table = table[table["image_score"].notna()]
        if not _is_of(calibration, table):
            if rows is None:
                msg = (
                    f"The inspections {name!r} were made with another calibration than is to be compared with: package "
                    f"the model and inspect again, or give the calibration they were made with by --load-versions."
                )
                raise InputError(msg)
            break
        if calibration.views is not None:
            table = _of_parts(table, calibration.views.per_part)
        rows = table if rows is None else pd.concat([table, rows])
        rows = rows.drop_duplicates(["path", "time"])
        if len(rows) >= n:
            break
    if rows is None or rows.empty:
        msg = "No readable image was inspected yet: run the pipeline inspection on parts first."
        raise InputError(msg)
    return rows.sort_values("time", kind="stable").tail(n).reset_index(drop=True)


def _of_parts(table: "pd.DataFrame", per_part: int) -> "pd.DataFrame":
    """Reduce the rows of one inspection to parts."""
    table = table[table["part"] != ""].reset_index(drop=True)  # without images that show no part
    if table.empty:
        return table
    whole = table[table.groupby("part")["path"].transform("size") == per_part]
    parts = whole.groupby("part", sort=False)
    worst = whole.loc[parts["image_score"].idxmax()]
    features = {part: _mean(texts) for part, texts in parts["mean_features"]}
    return worst.assign(
        path=worst["part"],
        time=worst["part"].map(parts["time"].max()),
        mean_features=worst["part"].map(features),
    )


def _mean(texts: "Iterable[str]") -> str:
    """Average features, which are JSON texts."""
    return to_text(np.mean([from_text(text) for text in texts], axis=0).tolist())


def _is_of(calibration: "Calibration", table: "pd.DataFrame") -> bool:
    """Check that the p-values of a table are those of a calibration."""
    expected = calibration.p_values(table["image_score"].to_numpy(np.float64))
    return np.allclose(table["p_value"].to_numpy(np.float64), expected, rtol=0, atol=1e-9)
