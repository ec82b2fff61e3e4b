"""Parts of a packaged model: whether they are those of one model."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.manifest import AGAIN, MANIFEST
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.gaussians import GaussianDetector

if TYPE_CHECKING:
    from reb_pipeline.inspection.model import PackagedModel
    from reb_pipeline.scoring.settings import ScoringSettings


def check_parts(
    model: "PackagedModel",
    detector: MemoryBankDetector | GaussianDetector,
    scoring: "ScoringSettings",
) -> None:
    """Check that calibration, golden image and manifest are those of the detector.

    The hashes of the files tell none of this where a part was exchanged together with its hash. Of the network nothing
    is known but its hash.

    Args:
        model: The model.
        detector: Its detector, with alpha as its calibration knows it.
        scoring: Settings of the scores, those of the manifest.

    Raises:
        InputError: If a part is that of another model.
    """
    if fault := _fault(model, detector, scoring):
        name = model.manifest["name"]
        msg = (
            f"The parts of the packaged model of {name} do not belong together ({fault}): {AGAIN}."
        )
        raise InputError(msg)


def _fault(
    model: "PackagedModel",
    detector: MemoryBankDetector | GaussianDetector,
    scoring: "ScoringSettings",
) -> str:
    """Say which part is that of another model; empty if none is."""
    calibration, manifest = model.calibration, model.manifest
    if isinstance(detector, MemoryBankDetector):
        extractor, fingerprint = detector.bank.extractor, detector.bank.fingerprint
    else:
        extractor, fingerprint = detector.extractor, ""  # a calibration knows no coreset of it
    used = scoring.model_dump(mode="json", exclude={"alpha"})
    try:
        alpha = manifest["scoring"].get("alpha", calibration.alpha)
        calibration.check(fingerprint, used, alpha)
        if calibration.scoring.keys() == {*used, "alpha"}:  # of this release
            calibration.check_detector(detector.fingerprint)
    except InputError as error:
        return str(error).partition(":")[0]
    pose = None if model.pose is None else model.pose.as_json()
    if extractor.get("pose") != pose:
        return "Its golden image is that of another model"
    for name in extractor.keys() - {"pose"}:
        if manifest["features"].get(name) != extractor[name]:
            return f"{MANIFEST} has another {name} of the features than the detector"
    return ""
