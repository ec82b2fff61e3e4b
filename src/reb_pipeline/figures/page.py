"""Self-contained HTML page of the evaluation of a category, in the design of the report of an inspection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.text_lists import masks_of
from reb_pipeline.figures.examples import Images, hardness
from reb_pipeline.images.samples import open_shown
from reb_pipeline.inspection.defects import find_defects
from reb_pipeline.inspection.encoding import in_base64, jpeg
from reb_pipeline.inspection.overlay import ColourScale, outlines, region_outlines
from reb_pipeline.inspection.pages import (
    compose,
    curve,
    definitions,
    doubt,
    flat,
    global_part,
    made_with,
    now,
    section,
    table,
    thresholds_of,
)
from reb_pipeline.inspection.views import picture_of, plain_picture_of
from reb_pipeline.metrics.at_threshold import unlike_calibration
from reb_pipeline.metrics.registry import METRICS
from reb_pipeline.metrics.report import about_left_out, is_unaligned, measured, resize_mask
from reb_pipeline.metrics.summary import NO_THRESHOLD
from reb_pipeline.scoring.anomaly_maps import AnomalyMaps

LARGE_IMAGES = 100  # the hardest images, shown large; the others are shown as thumbnails
SHOWN_IMAGES = 4000  # the hardest images, shown at all; more would be too much for a browser
_MASK_SIDE = 256  # px: annotations are drawn as outlines on this grid
_MEANING = {
    "image score": "How unlike good parts the image is; higher is more anomalous.",
    "threshold": "Highest image score of a part that is called good. It is taken from good images that are not tested "
    "here, for a false-alarm rate: no label of a test image has a part in it.",
    "found, missed": "Defective test images above the threshold, and not above it.",
    "false alarm": "Good test image above the threshold.",
    "undecided": "Test image whose part cannot be aligned: neither found nor missed, and in no metric. The packaged "
    "model leaves such a part undecided too.",
    "95 % interval": "Where the share of all such parts is likely to be (Clopper and Pearson); few images widen it.",
    "image AUROC": "Probability that a defective image scores higher than a good one, at no particular threshold: 50 % "
    "is chance, 100 % is perfect.",
    "pixel AUROC, AU-PRO": "The same for the pixels of the maps, and the mean overlap with annotated regions; only "
    "with masks.",
    "average precision, F1max": "Summaries of precision and recall; F1max is at the best threshold, which only the "
    "labels of the test can tell (an oracle).",
    "a50, a90, a90/95": "Longest extent of a drawn defect of which 50 % and 90 % are found, and from which on at least "
    "90 % are, at 95 % confidence (MIL-HDBK-1823A).",
    "anomaly map": "Score of each place. A pixel is marked above a threshold of its own, so that at most the same "
    "share of good parts has a mark; a found part may have none.",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Scored test images of a category.

    Attributes:
        scores: One row a test image: id, path, mask_paths, label, defect_type, image_score, and global_score if there
            is a global branch; pose_fault of images that cannot be aligned, which are shown and not counted.
        maps: Anomaly maps of the same images.
        images: Opener of images and masks.
        metrics: Report of :func:`reb_pipeline.metrics.report.evaluate`, with ``at_threshold``
            (:func:`reb_pipeline.metrics.at_threshold.at_threshold`).
        calibration: Calibration of the threshold.
        detection_probability: Report of :func:`reb_pipeline.metrics.detection_probability.detection_report`; None
            leaves its section out.
        cut_offs: See :meth:`reb_pipeline.scoring.zones.Zones.cut_offs`; empty without zones.
        suspects: HTML of :func:`reb_pipeline.figures.suspects.suspects_section`; empty leaves it out.
    """

    scores: pd.DataFrame
    maps: AnomalyMaps
    images: Images
    metrics: Mapping[str, Any]
    calibration: Calibration
    detection_probability: Mapping[str, Any] | None = None
    cut_offs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    suspects: str = ""


def report_page(evaluated: Evaluated, settings: Mapping[str, Any]) -> str:
    """Compose an HTML page that needs no network and no other file.

    Args:
        evaluated: The test images.
        settings: Facts and settings of the detector, nested JSON values.

    Returns:
        HTML text with about 10 kB per image, and 50 kB for each of the 100 hardest ones.
    """
    metrics, calibration = evaluated.metrics, evaluated.calibration
    notes = "".join(f" {note}." for note in about_left_out(dict(metrics)))
    units = metrics.get("units", "images")
    if units != "images":
        notes += " Each part is shown by its worst view."
    facts = f"{metrics['good_images']} good and {metrics['anomalous_images']} anomalous test {units}, {now()}."
    texts = {
        "title": f"Evaluation: {metrics['category']}",
        "facts": f"{facts}{notes}",
        "units": units,
        "promise": f"Thresholds for {calibration.origin}. {calibration.statement()} "
        f"{calibration.about_odd_images()}".rstrip(),
    }
    blocks = {
        "sections": "".join(
            (
                _at_threshold(metrics),
                _zones(evaluated.cut_offs),
                _found_sizes(evaluated),
                _metrics(evaluated),
                evaluated.suspects,
            )
        ),
        "meaning": definitions(
            "What the numbers mean", _MEANING | doubt(calibration) | global_part(calibration)
        ),
        "made": definitions("Model, settings and versions", {**made_with(), **flat(settings)}),
    }
    return compose("training.html", "training.js", texts, blocks, _data(evaluated))


def _at_threshold(metrics: Mapping[str, Any]) -> str:
    """Format what is found and missed at the calibrated threshold."""
    report = metrics["at_threshold"]
    rate, images = 100 * report["false_alarm_rate"], report["calibration_images"]
    units = report.get("units", "images")
    title = "At the calibrated threshold"
    if report["threshold"] is None:
        text = (
            f"<p><b>{NO_THRESHOLD}</b>: {images} good {units} cannot guarantee a false-alarm rate of {rate:.3g} "
            f"%, so it is not known which of the test {units} would be flagged.</p>"
        )
        return section(title, text)
    doubtful = report.get("doubtful")
    text = (
        f"<p>Threshold {report['threshold']:.5g}, from {images} good {units}, for a false-alarm rate of "
        f"{rate:.3g} %. Flagged good {units} are false alarms; defective {units} that are not flagged are missed.</p>"
    )
    if doubtful:
        text += (
            f"<p>{units.capitalize()} above {doubtful['threshold']:.5g} that are not flagged are doubtful: a person "
            "has to look. "
            f"Of good parts at most {100 * doubtful['false_alarm_rate']:.3g} % are doubtful or flagged. Defective "
            f"{units} that are called good escape.</p>"
        )
    verdicts = ["flagged", "doubtful", "good"] if doubtful else ["flagged", "not flagged"]
    of_all = {"defective": "found", "good": "false_alarms"}
    confusion = [
        [f"{name} ({report[part]['images']})", *_counts(report[part], doubtful and doubtful[part])]
        for name, part in of_all.items()
        if report[part] is not None
    ]
    unlike = unlike_calibration(report) or unlike_calibration(doubtful)
    return section(
        title,
        text,
        f"<p><b>{unlike}.</b></p>" if unlike else "",
        table([f"test {units}", *verdicts], confusion, "Confusion table"),
        table(
            ["", units, *verdicts, "flagged, % (95 % interval)"],
            _by_type(report, doubtful),
            "Found and missed by defect type",
        ),
    )


def _by_type(report: Mapping[str, Any], doubtful: Mapping[str, Any] | None) -> list[list[Any]]:
    """List the rows of all defects, each type, and good images: counts of each verdict, share of flagged images."""
    shares, beyond = (
        {
            "all defects": one["found"],
            **_several(one["per_defect_type"]),
            "good": one["false_alarms"],
        }
        for one in (report, doubtful or report)
    )
    return [
        [
            kind,
            share["images"],
            *_counts(share, beyond[kind] if doubtful else None),
            f"{_percent(share['share'])} ({_percent(share['low'])}–{_percent(share['high'])})",
        ]
        for kind, share in shares.items()
        if share is not None
    ]


def _counts(share: Mapping[str, Any], beyond: Mapping[str, Any] | None) -> list[int]:
    """Count flagged images and the others, of which the doubtful ones come first if there is a lower threshold.

    Args:
        share: Images above the threshold.
        beyond: The same above the lower threshold; None without one.
    """
    if beyond is None:
        return [share["flagged"], share["passed"]]
    return [share["flagged"], beyond["flagged"] - share["flagged"], beyond["passed"]]


def _zones(cut_offs: Mapping[str, Mapping[str, Any]]) -> str:
    """Format the cut-offs of zones; empty without zones."""
    if not cut_offs:
        return ""
    text = (
        "<p>The threshold of the image scores stands for a cut-off of its own in each zone, and the zones share its "
        "false-alarm rate. A part is flagged if the score of a zone alone is above its cut-off, in the units that "
        "scores have without zones.</p>"
    )
    rows = [
        [
            name,
            zone["patches"],
            *(
                "–" if (value := zone[one]) is None else f"{value:.5g}"
                for one in ("image", "pixel")
            ),
        ]
        for name, zone in cut_offs.items()
    ]
    heads = ["zone", "patches", "cut-off of its score", "cut-off of marks"]
    return section("Cut-offs of the zones", text, table(heads, rows))


def _found_sizes(evaluated: Evaluated) -> str:
    """Format from which size on drawn defects are found."""
    report = evaluated.detection_probability
    if report is None:
        return ""
    told = [*report["worst"], *report["curves"]]
    statements = "".join(f"<li>{escape(one['statement'])}</li>" for one in told)
    names, unit = ("a50", "a90", "a90_95"), report["unit"]
    rows = [
        [
            one["kind"],
            f"{one['contrast']:g}",
            f"{one['found']} of {one['draws']}",
            *("–" if one[name] is None else f"{one[name]:.3g}" for name in names),
        ]
        for one in report["curves"]
    ]
    about = (
        f"<p>Synthetic defects on {report['parts']} good parts that nothing has learnt from. Real ones may be harder "
        "or easier to see: the statements are about defects of these kinds and contrasts.</p>"
    )
    heads = ["", "grey levels", "found", f"a50, {unit}", f"a90, {unit}", f"a90/95, {unit}"]
    title = "Sizes of defects that are found"
    return section(title, f"<ul>{statements}</ul>", about, table(heads, rows))


def _metrics(evaluated: Evaluated) -> str:
    """Format the metrics over all defects and by defect type, in percent, and the ROC curve of the image scores."""
    metrics, scores = evaluated.metrics, evaluated.scores
    if not metrics["anomalous_images"]:
        return section(
            "Metrics",
            "<p>Without defective test images there is no metric: the page shows how good ones score.</p>",
        )
    kinds = {"all defects": metrics, **_several(metrics["per_defect_type"])}
    names = [name for name in METRICS if isinstance(metrics.get(name), float)]
    rows = [
        [kind, *(_percent(values.get(name)) for name in names)] for kind, values in kinds.items()
    ]
    notes = [] if metrics["has_masks"] else ["No masks: image metrics only."]
    if any(name.endswith("f1_max") for name in names):
        notes.append(
            "F1max is at the best threshold, which only the test labels can tell (an oracle)."
        )
    text = "".join(f"<p>{note}</p>" for note in notes)
    heads = ["", *(METRICS[name].title for name in names)]
    return section("Metrics in percent", table(heads, rows), text, _roc(scores, metrics))


def _roc(scores: pd.DataFrame, metrics: Mapping[str, Any]) -> str:
    from sklearn.metrics import roc_curve

    scores = measured(scores)
    if scores["label"].nunique() < 2:
        return ""
    false_alarms, found, _ = roc_curve(scores["label"], scores["image_score"])
    report = metrics["at_threshold"]
    point = None
    if report["threshold"] is not None:
        point = report["false_alarms"]["share"], report["found"]["share"]
    label = f"ROC curve of the image scores, AUROC {_percent(metrics['image_auroc'])} %"
    return curve(false_alarms, found, point, label, ("false alarms", "defects found"))


def _data(evaluated: Evaluated) -> dict[str, Any]:
    calibration = evaluated.calibration
    scores = evaluated.scores
    hard = hardness(scores, calibration.image_threshold).mask(is_unaligned(scores), np.inf)
    by_hardness = scores.assign(hardness=hard).sort_values(
        ["hardness", "id"], ascending=[False, True], kind="stable"
    )
    scale = ColourScale.of(calibration)
    return {
        **thresholds_of(calibration, calibration.image_threshold, calibration.doubtful_threshold),
        "images": [
            _image(row, evaluated, scale, place)
            for place, (_, row) in enumerate(by_hardness.iterrows())
        ],
    }


def _image(
    row: "pd.Series[Any]", evaluated: Evaluated, scale: ColourScale, place: int
) -> dict[str, Any]:
    reason = row.get("pose_fault", "")
    image = {
        "path": row["id"],
        "score": None if reason else float(row["image_score"]),
        "reason": reason,
        "global": float(row.get("global_score", 0.0)),
        "label": int(row["label"]),
        "type": row["defect_type"],
        "area": 0,
        "view": None,
    }
    if place >= SHOWN_IMAGES:
        return image
    pixels = open_shown(evaluated.images, row["path"], row.get("sha256", ""))
    known = "height" in row and "width" in row  # of the original
    shape = (int(row["height"]), int(row["width"])) if known else pixels.shape[:2]
    if place < LARGE_IMAGES:
        image["large"] = in_base64(jpeg(pixels))
    if reason:
        return {**image, "view": plain_picture_of(pixels, shape)}
    threshold = evaluated.calibration.pixel_threshold
    anomaly_map = evaluated.maps[row["id"]]
    defects = find_defects(anomaly_map, threshold, shape)
    view = picture_of(pixels, shape, anomaly_map, defects, scale, threshold)
    outside = evaluated.maps.outside(row["id"], anomaly_map.shape)
    view["region"] = region_outlines(None if outside is None else ~outside, shape)
    if row["label"] and (masks := masks_of(row))[0]:
        view["annotated"] = _annotated(evaluated.images.open_mask(*masks), shape)
    return {**image, "area": sum(defect.area for defect in defects), "view": view}


def _annotated(mask: np.ndarray, shape: tuple[int, int]) -> list[list[int]]:
    """Outline an annotation, see :func:`reb_pipeline.inspection.overlay.outlines`."""
    grid = resize_mask(mask, (min(_MASK_SIDE, mask.shape[0]), min(_MASK_SIDE, mask.shape[1])))
    return outlines(grid.astype(np.float32), 0.5, shape)


def _several(by_type: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the only defect type, which is all defects."""
    return by_type if len(by_type) > 1 else {}


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"
