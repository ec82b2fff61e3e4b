"""Journal of inspected images: what network and search found on each, from which verdict and marks follow."""

import base64
import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.calibration.verdicts import GOOD
from reb_pipeline.core.folder_files import Files
from reb_pipeline.images.pose import Placement
from reb_pipeline.inspection.defects import find_defects
from reb_pipeline.inspection.encoding import finite, in_base64
from reb_pipeline.inspection.part_verdicts import verdict_now
from reb_pipeline.inspection.results import Inspection

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

JOURNAL = "journal"  # folder of the output
# Version of the entries and of the rule of their verdicts; entries of former versions are not used.
# 1: every part below an infinite threshold was good.
VERSION, FORMER_VERSIONS = "2", ("1",)


def key_of(model_id: str, path: bytes, data: bytes, version: str = VERSION) -> str:
    """Name the entry of an image by all that its score depends on.

    Args:
        model_id: Id of the model.
        path: Path of the image.
        data: Its file.
        version: Version of the entry.
    """
    digest = hashlib.sha256()
    for part in (version.encode(), model_id.encode(), path):
        digest.update(part + b"\0")
    digest.update(data)
    return digest.hexdigest()[:32]


def image_file(key: str) -> str:
    """Name the file with the large image of an entry."""
    return f"{JOURNAL}/{key}.jpg"


def entry_file(key: str) -> str:
    """Name the file of an entry."""
    return f"{JOURNAL}/{key}.json"


def entry_of(
    inspection: Inspection, row: dict[str, Any], view: dict[str, Any], pixel_threshold: float
) -> bytes:
    """Encode the entry of an inspected image.

    Args:
        inspection: The inspection.
        row: Row of the table.
        view: Content of the report.
        pixel_threshold: Anomaly score above which pixels are marked in row and view.
    """
    found = {
        "patch_map": text_of(inspection.patch_map),
        "grid": inspection.patch_map.shape,
        "worst_patch": [int(side) for side in inspection.worst_patch],
        "worst_feature": text_of(inspection.worst_feature),
        "placement": inspection.placement and asdict(inspection.placement),
    }
    entry = {"row": row, "view": view, "found": found, "marked_above": finite(pixel_threshold)}
    return json.dumps(entry).encode()


def read_entry(files: Files, key: str, columns: Collection[str]) -> dict[str, Any] | None:
    """Read an entry; None if it or one of its files is missing or damaged.

    Args:
        files: Storage of the results.
        key: Name of the entry.
        columns: Columns that its row must have.
    """
    try:
        entry: dict[str, Any] = json.loads(files[entry_file(key)])
        row = entry["row"]
        is_whole = (
            entry["view"]
            and row.keys() >= set(columns)
            and isinstance(row["image_score"], float)
            and math.isfinite(row["image_score"])
            and row["overlay"] in files
            and image_file(key) in files
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return entry if is_whole else None


def is_to_draw_anew(entry: dict[str, Any], inspector: "Inspector") -> bool:
    """Return True if an entry is marked by another threshold, or explains no part because it was good.

    Those of former releases cannot be drawn anew.
    """
    if "found" not in entry:
        return False
    row = entry["row"]  # whose verdict may be that of another rate
    now = verdict_now(inspector, row["image_score"])["verdict"]
    lacks_explanation = row["verdict"] == GOOD != now
    return lacks_explanation or entry["marked_above"] != finite(inspector.pixel_threshold)


def inspection_in(
    entry: dict[str, Any], inspector: "Inspector", shape: tuple[int, int]
) -> Inspection:
    """Conclude an inspection from an entry by the present thresholds, without the network.

    Args:
        entry: The entry, with ``found``.
        inspector: The model that made it, perhaps at another false-alarm rate.
        shape: Height and width of the image in pixels.
    """
    row, found = entry["row"], entry["found"]
    patch_map = floats_of(found["patch_map"]).reshape(found["grid"])
    at, aspect = Placement(**(found.get("placement") or {})), shape[1] / shape[0]
    # Entries of a model without a pose have none, and those of former releases one that was not searched for.
    placement = None if at == Placement() else at
    anomaly_map = inspector.map_of(patch_map, at, aspect)
    return Inspection(
        image_score=row["image_score"],
        p_value=row["p_value"],
        **verdict_now(inspector, row["image_score"]),
        anomaly_map=anomaly_map,
        defects=find_defects(anomaly_map, inspector.pixel_threshold, shape),
        seconds=row["seconds"],
        worst_patch=tuple(found["worst_patch"]),
        mean_features=floats_of(row["mean_features"]),
        worst_feature=floats_of(found["worst_feature"]),
        region=inspector.map_region(at, aspect),
        placement=placement,
        patch_map=patch_map,
        global_score=row.get("global_score", 0.0),
        zone=row.get("zone", ""),
    )


def text_of(values: np.ndarray) -> str:
    """Encode numbers as little-endian float32 in base64."""
    return in_base64(np.asarray(values, "<f4").tobytes())


def floats_of(text: str | None) -> np.ndarray:
    """Decode numbers of :func:`text_of`; none for None."""
    return np.frombuffer(base64.b64decode(text or ""), "<f4")
