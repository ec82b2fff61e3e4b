"""Command ``reb calibrate``: take the threshold of a model for another rate, or from other good photos."""

from pathlib import Path
from typing import Any

import click

from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import PLACE, RATE, SETTINGS, resumable
from reb_pipeline.core.errors import InputError

_NAMES = {"false_alarm_rate": "false-alarm rate", "doubtful_rate": "doubtful rate"}


@click.command(context_settings=SETTINGS)
@click.argument("model", type=PLACE)
@click.option(
    "--folder", type=PLACE, help="Good photos of another day, which the model has not learnt from."
)
@click.option(
    "--false-alarm-rate", type=RATE, help="Share of good parts that may be flagged, such as 2%."
)
@click.option(
    "--doubtful-rate",
    type=RATE,
    help="Share of good parts that may be doubtful or flagged, such as 10%.",
)
def command(
    model: str, folder: str | None, false_alarm_rate: float | None, doubtful_rate: float | None
) -> None:
    """Calibrate MODEL again; MODEL is the folder that `reb train` made, beside its run folder.

    For another rate alone, `reb inspect --false-alarm-rate` needs no new model.
    """
    asked = {"false_alarm_rate": false_alarm_rate, "doubtful_rate": doubtful_rate}
    given = {name: rate for name, rate in asked.items() if rate is not None}
    if folder is None and not given:
        msg = "Nothing is to be changed: give --folder FOLDER, --false-alarm-rate RATE or --doubtful-rate RATE."
        raise InputError(msg)
    load_kedro()
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.project.later_runs import TrainedModel
    from reb_pipeline.project.run_folder import absolute

    trained = TrainedModel.at(Path(model))
    before = trained.rates
    changes: dict[str, Any] = {**before, **given}
    if folder is not None:
        changes["folder"] = absolute(folder)
        list_images(changes["folder"])
    with resumable():
        trained.run("calibration", {"calibration": changes})
    calibration = trained.load("calibration")
    click.echo(f"{trained.category}: {calibration.statement()}")
    if odd := calibration.about_odd_images():
        click.echo(f"Note: {odd}")
    for name, rate in given.items():
        was = before[name]
        if rate != was:
            before_it = "there was none" if was is None else f"it was {100 * was:.3g} %"
            click.echo(
                f"Note: The {_NAMES[name]} is {100 * rate:.3g} % now, {before_it}; photos that were inspected before "
                f"are inspected again."
            )
    click.echo(f"Model: {model}")
