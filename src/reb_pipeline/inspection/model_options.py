"""Options of the commands that inspect with a packaged model, and the model that they name."""

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

import click

from reb_pipeline.core.command_line import PLACE, RATE
from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

_OPTIONS = (
    click.option(
        "--model",
        type=PLACE,
        required=True,
        help="Folder of the model, or the folder above its versions for the newest one.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["onnxruntime", "openvino"]),
        default="onnxruntime",
        help="Engine of the network.",
    ),
    click.option(
        "--false-alarm-rate",
        type=RATE,
        help="Share of good parts that may be flagged, such as 0.02 or 2%.  [default: that of the model]",
    ),
    click.option(
        "--doubtful-rate",
        type=RATE,
        help="Share of good parts that may be doubtful or defective, such as 10%.  [default: that of the model]",
    ),
    click.option(
        "--threshold",
        type=PLACE,
        help="File of a threshold that was saved in a report of this model.",
    ),
    click.option(
        "--allow-undecided",
        is_flag=True,
        help="Take a model that can call no part good or defective, for its scores and maps.",
    ),
)


def model_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add the options that :func:`load_inspector` takes as its arguments."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


def load_inspector(
    model: str,
    engine: str,
    false_alarm_rate: float | None,
    threshold: str | None,
    allow_undecided: bool,
    doubtful_rate: float | None = None,
) -> "Inspector":
    """Load the model that the options name.

    Args:
        model: See :func:`reb_pipeline.inspection.manifest.model_in`.
        engine: Engine of the network.
        false_alarm_rate: Rate that the thresholds are taken for; None for that of the model.
        threshold: File of a chosen threshold; None for that of the model or of the rate.
        allow_undecided: True to take a model that can call no part good or defective.
        doubtful_rate: Rate that the threshold of doubtful parts is taken for; None for that of the model.

    Raises:
        InputError: If the model, its threshold or the rate cannot be used.
    """
    from reb_pipeline.calibration.verdicts import check_can_flag
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.manifest import model_in
    from reb_pipeline.inspection.threshold import ChosenThreshold

    given = {"false_alarm_rate": false_alarm_rate, "doubtful_rate": doubtful_rate}
    rates = {name: rate for name, rate in given.items() if rate is not None}
    if threshold is not None and rates:
        option = next(iter(rates)).replace("_", "-")
        raise InputError(f"--threshold has a rate of its own: leave --{option} out.")
    chosen = None if threshold is None else ChosenThreshold.read(_content(threshold), threshold)
    inspector = Inspector.load(model_in(model), engine, **rates)
    if chosen is not None:
        inspector = inspector.with_threshold(chosen)
    if not allow_undecided:
        check_can_flag(inspector.calibration, inspector.name, "--allow-undecided")
    return inspector


def _content(place: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(place) as file:
            content: bytes = file.read()
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"'{place}' cannot be read ({error}): give a file.") from error
    return content
