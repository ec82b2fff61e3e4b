"""Command ``reb update``: add good photos to a model, or forget some of those that it learnt."""

from pathlib import Path
from typing import Any

import click

from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import PLACE, SETTINGS, resumable
from reb_pipeline.core.errors import InputError


@click.command(context_settings=SETTINGS)
@click.argument("model", type=PLACE)
@click.option("--add", type=PLACE, help="Folder of good photos to learn too.")
@click.option(
    "--forget",
    multiple=True,
    metavar="ID",
    help="Photo to forget, such as good/0012, or a pattern such as 'added/tuesday/*'; can be repeated.",
)
def command(model: str, add: str | None, forget: tuple[str, ...]) -> None:
    """Add good photos to MODEL, or forget some; MODEL is the folder that `reb train` made, beside its run folder.

    The threshold is calibrated again for the same false-alarm rate, and the model is replaced. The network stays as it
    is.
    """
    if add is None and not forget:
        msg = "Nothing is to be changed: give --add FOLDER, --forget ID, or both."
        raise InputError(msg)
    load_kedro()
    from reb_pipeline.images.folder import list_images
    from reb_pipeline.project.later_runs import TrainedModel
    from reb_pipeline.project.run_folder import absolute

    trained = TrainedModel.at(Path(model))
    changes: dict[str, Any] = {"forget": list(forget), **trained.rates}
    if add is not None:
        changes["add"] = absolute(add)
        list_images(changes["add"])
    with resumable():
        trained.run("bank_update", {"bank_update": changes})
    samples = trained.load("samples")
    learnt = int(((samples["split"] == "train") & (samples["label"] == 0)).sum())
    click.echo(f"{trained.category}: {learnt:,} good photos are learnt now.")
    click.echo(f"{trained.category}: {trained.load('calibration').statement()}")
    click.echo(f"Model: {model}")
