"""Command ``reb costs``: thresholds of lowest expected cost."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from reb_pipeline.commands.kedro import load_kedro
from reb_pipeline.core.command_line import PLACE, POSITIVE, RATE, SETTINGS
from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.calibration.costs import Cost
    from reb_pipeline.calibration.record import Calibration
    from reb_pipeline.project.later_runs import TrainedModel

FIGURE = "costs.html"
LABELLED, DRAWN = "labelled", "drawn"


@click.command(context_settings=SETTINGS)
@click.argument("model", type=PLACE)
@click.option(
    "--false-alarm", type=POSITIVE, required=True, help="Price of a good part called defective."
)
@click.option(
    "--escape", type=POSITIVE, required=True, help="Price of a defective part called good."
)
@click.option("--second-look", type=POSITIVE, help="Price of looking at a doubtful part.")
@click.option("--defect-rate", type=RATE, required=True, help="Share of parts that are defective.")
@click.option(
    "--defects",
    type=click.Choice([LABELLED, DRAWN]),
    help="Photos of defects of the training, or drawn defects.  [default: photos where there are any]",
)
@click.option("--output", type=PLACE, default="costs", help="Folder of threshold.json and figure.")
def command(
    model: str,
    false_alarm: float,
    escape: float,
    second_look: float | None,
    defect_rate: float,
    defects: str | None,
    output: str,
) -> None:
    """Find the thresholds of MODEL at which a part costs least; MODEL is the folder that `reb train` made.

    Prices are in any one unit. With --second-look there are two thresholds, and parts between them are doubtful. The
    model stays as it is: `reb inspect --threshold` takes the thresholds.
    """
    load_kedro()
    import fsspec

    from reb_pipeline.calibration.costs import (
        Prices,
        Thresholds,
        cost_curve,
        expected_cost,
    )
    from reb_pipeline.core import atomic
    from reb_pipeline.core.folder_files import FolderFiles
    from reb_pipeline.figures.costs import cost_figure
    from reb_pipeline.inspection.model import read_model
    from reb_pipeline.inspection.threshold import THRESHOLD_FILE, ChosenThreshold
    from reb_pipeline.project.later_runs import TrainedModel

    prices = Prices(false_alarm, escape, defect_rate, second_look)
    trained = TrainedModel.at(Path(model))
    packaged = read_model(model)
    calibration = packaged.calibration
    good = calibration.image_scores
    found = _scores_of_defects(trained, calibration, defects)
    curve = cost_curve(good, found.scores, prices)
    cheapest = curve.cheapest
    considered = {"cheapest": cheapest}
    if calibration.can_flag:
        now = Thresholds(calibration.image_threshold, calibration.doubtful_threshold)
        considered["as the model is"] = now
    costs = {
        name: expected_cost(good, found.scores, prices, thresholds, found.parts)
        for name, thresholds in considered.items()
    }
    click.echo(
        f"{trained.category}: {len(good)} {calibration.good_units} that calibrate, {found.origin}."
    )
    for line in _table(costs):
        click.echo(line)
    click.echo(
        f"For comparison: {prices.escape * defect_rate:.4g} if every part is called good, "
        f"{prices.false_alarm * (1 - defect_rate):.4g} if every part is called defective"
        + (f", {second_look:.4g} if every part is looked at." if second_look else ".")
    )
    curves = {
        "one threshold": cost_curve(good, found.scores, Prices(false_alarm, escape, defect_rate))
    }
    if second_look:
        curves["two thresholds"] = curve
    higher, lower = cheapest
    if lower is None and calibration.doubtful_rate is not None:
        lower = higher  # no part is doubtful, although the model has a rate
    chosen = ChosenThreshold.of(packaged.manifest["digest"], calibration, higher, lower)
    figure = cost_figure(curves, costs, f"{trained.category}: expected cost of a part")
    atomic.register()  # no file is left half-written
    filesystem, folder = fsspec.url_to_fs(output)
    files = FolderFiles(folder, filesystem)
    files[FIGURE] = figure.to_html(include_plotlyjs=True).encode()
    files[THRESHOLD_FILE] = chosen.to_json()
    place = output.rstrip("/")
    click.echo(f"Figure: {place}/{FIGURE}")
    click.echo(f"Next: reb inspect NEW_PHOTOS --model {model} --threshold {place}/{THRESHOLD_FILE}")


class _Defects(NamedTuple):
    """Scores of defects.

    Attributes:
        scores: Image scores.
        parts: Part that each is on; None for a part of its own each.
        origin: Description of these defects.
    """

    scores: "pd.Series[float]"
    parts: "list[object] | None"
    origin: str


def _scores_of_defects(
    trained: "TrainedModel", calibration: "Calibration", which: str | None
) -> _Defects:
    """Read the scores of labelled or drawn defects that the detector of the model gave.

    Raises:
        InputError: If there are none, or another detector gave them.
    """
    from reb_pipeline.metrics.parts import scores_of_parts
    from reb_pipeline.metrics.report import measured

    scores = scores_of_parts(measured(trained.load("scores")))
    defective = scores[scores["label"] == 1]
    if which == LABELLED or (which is None and len(defective)):
        what = "photos of defects" if calibration.views is None else "defective parts"
        origin = (
            f"{len(defective)} {what}, whose labels the test has used too (an oracle): "
            "do not measure by them again"
        )
        table, column, parts = defective, "image_score", None
    else:
        table, column = _drawn(trained), "score"
        parts = table["part" if "part" in table else "image_id"].tolist()
        units = "photos" if calibration.views is None else "parts"
        origin = f"{len(table)} drawn defects on {len(set(parts))} good {units}: real ones may be harder to see"
    for fingerprint in set(table.get("detector_fingerprint", ())):
        if calibration.detector_fingerprint not in ("", fingerprint):
            msg = (
                "The model was changed since its defects were scored, so that their scores are not comparable: train "
                "again by `reb train`."
            )
            raise InputError(msg)
    return _Defects(table[column], parts, origin)


def _drawn(trained: "TrainedModel") -> "pd.DataFrame":
    """Read the scores of drawn defects; empty if none were drawn."""
    import pandas as pd
    from kedro.io import DatasetError

    try:
        draws: pd.DataFrame = trained.load("defect_draws")
    except DatasetError:
        draws = pd.DataFrame({"image_id": [], "score": []})
    return draws


def _table(costs: "dict[str, Cost]") -> list[str]:
    """Format costs as lines of a table."""
    heads = ("", "false alarms", "doubtful", "escapes", "cost of a part (95 %)")
    rows = [
        (
            name,
            f"{100 * cost.false_alarms:.3g} % of good",
            f"{100 * cost.second_looks:.3g} % of all",
            f"{100 * cost.escapes:.3g} % of defects",
            f"{cost.expected:.3g} ({cost.low:.3g} to {cost.high:.3g})",
        )
        for name, cost in costs.items()
    ]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (heads, *rows)
    ]
