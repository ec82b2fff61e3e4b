"""Command ``reb calibrate``: take the threshold of a model for another rate, or from other good photos."""

from pathlib import Path
from typing import Any

import click

from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import PLACE, RATE, SETTINGS, resumable
from reb_pipeline.core.errors import InputError


@click.command(context_settings=SETTINGS)
@click.argument("model", type=PLACE)
@click.option(
    "--folder", type=PLACE, help="Good photos of another day, which the model has not learnt from."
)
@click.option(
    "--false-alarm-rate", type=RATE, help="Share of good parts that may be flagged, such as 2%."
)
def command(model: str, folder: str | None, false_alarm_rate: float | None) -> None:
    """Calibrate MODEL again; MODEL is the folder that `reb train` made, beside its run folder.

    For another rate alone, `reb inspect --false-alarm-rate` needs no new model.
    """
    if folder is None and false_alarm_rate is None:
        msg = "Nothing is to be changed: give --folder FOLDER, --false-alarm-rate RATE, or both."
        raise InputError(msg)
    load_kedro()
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.project.later_runs import TrainedModel
    from reb_pipeline.project.run_folder import absolute

    trained = TrainedModel.at(Path(model))
    before = trained.false_alarm_rate
    rate = false_alarm_rate or before
    changes: dict[str, Any] = {"false_alarm_rate": rate}
    if folder is not None:
        changes["folder"] = absolute(folder)
        list_images(changes["folder"])
    with resumable():
        trained.run("calibration", {"calibration": changes})
    click.echo(f"{trained.category}: {trained.load('calibration').statement()}")
    if rate != before:
        click.echo(
            f"Note: The false-alarm rate is {100 * rate:.3g} % now, it was {100 * before:.3g} %; photos that were "
            f"inspected before are inspected again."
        )
    click.echo(f"Model: {model}")
