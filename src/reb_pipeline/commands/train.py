"""Command ``reb train``: from a folder of photos to a model, by a run of the Kedro project."""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import PLACE, POSITIVE, RATE, SETTINGS, resumable
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.quantities import checked_share

if TYPE_CHECKING:
    from reb_pipeline.project.budget import Budget
    from reb_pipeline.project.photos import Category
    from reb_pipeline.project.training import Trained

DEFAULT_RATE = 0.05
WITHOUT_SECTION = ("seed", "preset")  # settings whose name has no section


def _one_place(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> str:
    """Take the only path; there are several after a pattern, which the shell replaced."""
    if len(given) > 1:
        msg = f"{len(given)} paths are given, first {given[0]!r}: give the one folder that holds the photos."
        raise click.BadParameter(msg)
    return given[0]


@click.command(context_settings=SETTINGS)
@click.argument(
    "photos", type=PLACE, nargs=-1, required=True, metavar="PHOTOS", callback=_one_place
)
@click.option(
    "--false-alarm-rate",
    type=RATE,
    default=f"{100 * DEFAULT_RATE:g}%",
    help="Share of good parts that may be flagged, such as 0.02 or 2%.",
)
@click.option(
    "--doubtful-rate",
    type=RATE,
    help="Share of good parts that may be doubtful or flagged, such as 10%: those above the lower of two thresholds, "
    "which a person has to look at.  [default: no part is doubtful]",
)
@click.option(
    "--output",
    type=PLACE,
    help="Folder of the model; the run folder is made beside it.  [default: PHOTOS.model]",
)
@click.option(
    "--max-ms",
    type=POSITIVE,
    metavar="MS",
    help="Choose the most accurate configuration that inspects a photo within so many milliseconds on this machine.",
)
@click.option(
    "--max-mb",
    type=POSITIVE,
    metavar="MB",
    help="Choose the most accurate configuration whose model has at most so many megabytes.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.NAME=VALUE",
    help="Any other setting, such as features.image_size=320; can be repeated.",
)
def command(
    photos: str,
    false_alarm_rate: float,
    output: str | None,
    max_ms: float | None,
    max_mb: float | None,
    settings: tuple[str, ...],
    doubtful_rate: float | None = None,
) -> None:
    """Learn what good parts look like from PHOTOS, a folder or list of photos.

    PHOTOS holds only good photos; or a folder "good", and folders of defective photos, by which the model is tested; or
    folders train/good, test/good and test/DEFECT; or several such folders. Masks of defects lie in masks/DEFECT or
    ground_truth/DEFECT. Or PHOTOS is a list: a CSV file with the columns path and label, or a manifest of Amazon
    Lookout for Vision. Photos are only read.

    Interrupted by Ctrl-C, the same command goes on where it was.
    """
    load_kedro()
    from reb_pipeline.project.budget import Budget

    given = _settings(settings, false_alarm_rate, doubtful_rate)
    with resumable():
        _train(photos, output or f"{_name(photos)}.model", given, Budget(max_ms, max_mb))


def _train(photos: str, output: str, settings: dict[str, Any], budget: "Budget") -> None:
    from reb_pipeline.inspection.manifest import MANIFEST
    from reb_pipeline.parameters.per_category import merged
    from reb_pipeline.project.budget import choose_within, store
    from reb_pipeline.project.estimate import estimate, statement
    from reb_pipeline.project.photos import check_enough, find_categories, squeeze_note
    from reb_pipeline.project.run_folder import RunFolder, absolute
    from reb_pipeline.project.training import Training, check_output, publish

    say = partial(click.echo, file=sys.stdout)  # as it is now, without what the run writes
    model = Path(output)
    check_output(model, photos)
    settings, rate = dict(settings), settings["calibration"]["false_alarm_rate"]
    split = settings.pop("split", {})
    categories, left_out = find_categories(
        absolute(photos), _name(output), rate, split, settings.get("ingestion")
    )
    for category in categories:
        say(f"{category.name}: {category.statement()}")
    if left_out:
        say(f"Not used, because they have no folder named good: {', '.join(left_out)}.")
    for category in categories:
        if not settings["calibration"].get("folder"):
            check_enough(category, rate)
            say(f"{category.name}: {category.shares.statement(rate)}")
        for note in category.shares.notes(rate):
            say(f"Note: {note}")
    settings = merged(_without_fine_tuning(categories, rate), settings)
    folder = RunFolder.beside(model)
    chosen = choose_within(budget, folder, categories, settings, say)
    settings = merged(settings, chosen.get("settings", {}))
    with Training(folder, categories, settings) as training:
        store(chosen, folder)
        if folder.is_done and not training.nodes:
            say("These photos were learnt with these settings already.")
        elif training.n_done:
            say(
                f"Going on: {training.n_done} of {len(training.pipeline.nodes)} steps are done already."
            )
        else:
            for category in categories:
                size = training.parameters[category.name]["features"].image_size
                if squeezed := squeeze_note(category, size):
                    say(f"Note: {squeezed}")
            say("Measuring this machine ...")
            images = {category.name: category.images for category in categories}
            seconds = estimate(images, training.parameters)
            say(f"This takes {statement(seconds)}.")
        say(f"The run folder is {_shown(folder.path)}, the log {_shown(folder.log)}.")
        training.run(say)
        trained = list(training.results())
        places = [model if len(trained) == 1 else model / one.name for one in trained]
        are_there = all((place / MANIFEST).is_file() for place in places)
        if not (folder.is_done and are_there):  # a model that `reb update` changed stays
            publish(trained, model)
            folder.end()
    for one, place in zip(trained, places, strict=True):
        _say_result(one, say)
        _say_change(one, place, say)
    say(f"Next: reb inspect NEW_PHOTOS --model {_quoted(places[0])}")


def _say_result(trained: "Trained", say: Any) -> None:
    from reb_pipeline.memory_bank.suspects import statement
    from reb_pipeline.metrics.at_threshold import doubtful_text, share_text, unlike_calibration
    from reb_pipeline.metrics.report import about_left_out

    say("")
    say(f"{trained.name}: {trained.calibration.statement()}")
    found = trained.metrics["at_threshold"]
    if found["false_alarms"]:
        units = found.get("units", "photos")
        say(f"  good test {units} flagged".ljust(29) + f"{share_text(found['false_alarms'])}")
    for kind, share in found["per_defect_type"].items():
        if share:
            say(f"  {kind + ' found':<26} {share_text(share)}")
    if doubtful := doubtful_text(found):
        say(f"  {doubtful}")
    for note in (*about_left_out(trained.metrics), unlike_calibration(found)):
        if note:
            say(f"Note: {note}.")
    if odd := trained.calibration.about_odd_images():
        say(f"Note: {odd}")
    say(f"{statement(trained.suspects)}, listed in {_shown(trained.suspects_list)}")
    say(f"Report: {_shown(trained.report)}")


def _say_change(trained: "Trained", place: Path, say: Any) -> None:
    """Say that the model in place is not that of the training any more."""
    from reb_pipeline.inspection.model import read_model

    made, now = read_model(trained.model), read_model(place)
    if made.manifest["digest"] != now.manifest["digest"]:
        say(
            f"Note: {_shown(place)} was changed since, by `reb update` or `reb calibrate`, and stays as it is: its "
            f"false-alarm rate is {100 * now.calibration.false_alarm_rate:.3g} %. Move it away to have that of this "
            f"training."
        )


def _without_fine_tuning(categories: "list[Category]", rate: float) -> dict[str, Any]:
    """Leave fine-tuning out where it would learn from the photos that the threshold is taken from."""
    from reb_pipeline.calibration.conformal import images_needed

    few = [one.name for one in categories if one.shares.calibration < images_needed(rate)]
    return {"ssl_finetune": {"per_category": {name: {"enabled": False} for name in few}}}


def _settings(
    texts: tuple[str, ...], rate: float, doubtful_rate: float | None = None
) -> dict[str, Any]:
    """Nest the settings of the command line.

    Raises:
        InputError: If one is not of the form SECTION.NAME=VALUE, or a rate is none.
    """
    import yaml

    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        *places, last = name.strip().split(".")
        try:
            inner = _inner(settings, places)
            # As JSON values; a folder may have a date for its name.
            inner[last] = json.loads(json.dumps(yaml.safe_load(value), default=str))
        except (yaml.YAMLError, TypeError, ValueError, RecursionError):
            equals = ""
        if (
            not equals
            or not value.strip()
            or not all([*places, last])
            or (not places and last not in WITHOUT_SECTION)
        ):
            msg = f"--set {text!r} cannot be used: give SECTION.NAME=VALUE, such as features.image_size=320."
            raise InputError(msg)
    calibration = settings.setdefault("calibration", {})
    given = calibration.get("false_alarm_rate", rate)
    calibration["false_alarm_rate"] = checked_share(given, "calibration.false_alarm_rate =")
    if doubtful_rate is not None:
        calibration.setdefault("doubtful_rate", checked_share(doubtful_rate, "A doubtful rate of"))
    return settings


def _inner(settings: dict[str, Any], places: list[str]) -> dict[str, Any]:
    """Find or make the section of a setting.

    Raises:
        TypeError: If a place holds a value.
    """
    inner: Any = settings
    for place in places:
        inner = inner.setdefault(place, {})
        if not isinstance(inner, dict):
            raise TypeError(place)
    found: dict[str, Any] = inner
    return found


def _name(path: str) -> str:
    """Name a category by a folder or list, without its ending or that of models."""
    from reb_pipeline.project.photos import LISTS, category_name
    from reb_pipeline.project.run_folder import MODEL

    name = path.rstrip("/").rpartition("/")[2] if "://" in path else Path(path).absolute().name
    endings = {MODEL, *LISTS}
    stem, ending = os.path.splitext(name)
    return category_name(stem if ending.lower() in endings else name)


def _shown(path: Path) -> str:
    """Shorten a path below the working folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(_shown(path))
