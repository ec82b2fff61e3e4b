"""Command ``reb drift``: compare the parts that were inspected lately with the calibration of the model."""

from functools import partial
from typing import TYPE_CHECKING

import click

from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import PLACE, SETTINGS
from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TABLE = "inspections.parquet"


@click.command(context_settings=SETTINGS)
@click.argument("inspections", type=PLACE, nargs=-1, required=True)
@click.option("--model", type=PLACE, required=True, help="The model that inspected the parts.")
@click.option("--last", type=click.IntRange(1), default=500, help="Number of newest parts.")
def command(inspections: tuple[str, ...], model: str, last: int) -> None:
    """Say whether parts are still those of the calibration: fine, watch or recalibrate.

    INSPECTIONS are output folders of `reb inspect`.
    """
    load_kedro()
    import numpy as np

    from reb_pipeline.calibration.drift import drift_report
    from reb_pipeline.core.text_lists import from_text
    from reb_pipeline.inspection.manifest import model_in
    from reb_pipeline.inspection.model import read_model
    from reb_pipeline.pipelines.drift.history import latest_parts

    calibration = read_model(model_in(model)).calibration
    tables = sorted(map(_table, inspections), key=lambda table: str(table["time"].max()))
    history = {f"{number:06}": partial(_given, table) for number, table in enumerate(tables)}
    parts = latest_parts(history, calibration, last)
    features = np.array([from_text(text) for text in parts["mean_features"]], np.float32)
    report = drift_report(
        calibration, parts["image_score"].to_numpy(np.float64), features, parts["time"].tolist()
    )
    click.echo(f"Drift of the last {len(parts):,} parts: {report['verdict']}.")
    for reason in report["reasons"]:
        click.echo(f"  {reason}")


def _given(table: "pd.DataFrame") -> "pd.DataFrame":
    return table


def _table(folder: str) -> "pd.DataFrame":
    """Read the table of an inspection.

    Raises:
        InputError: If there is none.
    """
    import pandas as pd

    path = f"{folder.rstrip('/')}/{TABLE}"
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError, ImportError) as error:
        msg = f"The inspections '{path}' cannot be read ({error}): give the output folder of `reb inspect`."
        raise InputError(msg) from error
