"""Folder of a packaged model: written, read, and checked for changes."""

import hashlib
import io
import logging
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.places import reaching
from reb_pipeline.core.records import RecordError, read_record, write_record
from reb_pipeline.core.sizes import Size
from reb_pipeline.images.pose import Pose
from reb_pipeline.inspection.appearance import Appearance
from reb_pipeline.inspection.encoding import finite, jpeg
from reb_pipeline.inspection.manifest import (
    AGAIN,
    Part,
    parts_of,
    read_manifest,
    write_manifest,
    written_at,
    wrong_manifest,
)
from reb_pipeline.inspection.model_parts import check_parts
from reb_pipeline.memory_bank.bank import MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.gaussians import GaussianDetector
from reb_pipeline.scoring.global_branch import GlobalBranch
from reb_pipeline.scoring.good_scores import GoodScores
from reb_pipeline.scoring.zones import Zones

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from reb_pipeline.features.tiles import Tiles
    from reb_pipeline.scoring.settings import ScoringSettings

Detector = MemoryBankDetector | GaussianDetector  # the fitted detectors that can be packaged
# Names of the parts; records have a class, and each is one file.
NETWORK, GOOD_IMAGES = "network", "good_images"
RECORDS: dict[str, Any] = {
    "bank": MemoryBank, "density": LocalDensity, "calibration": Calibration, "good_scores": GoodScores,
    "appearance": Appearance, "pose": Pose,
    "zones": Zones, "global_branch": GlobalBranch, "gaussians": GaussianDetector,
}  # fmt: skip
FILES = {NETWORK: "network.onnx", **{name: f"{name}.npz" for name in RECORDS}}
# No model can be read without these; of a memory bank, bank and density are needed too.
NEEDED, OF_A_BANK = (NETWORK, "calibration"), ("bank", "density")
MADE_WITH = (
    "reb-pipeline", "torch", "torchvision", "timm", "onnx", "onnxscript", "numpy", "faiss-cpu", "pillow"
)  # fmt: skip
JPEG_QUALITY = 90

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PackagedModel:
    """Packaged model: all parts needed to inspect images of one category.

    Attributes:
        manifest: Description of the model, JSON values; a model that was read also has ``parts`` (version 1 of the
            format: ``files``) and ``digest``.
        network: ONNX file: uint8 [1, height, width, 3] RGB -> patch features, float32 [1, h, w, channels].
        calibration: Calibration with scores of good images.
        bank: Rows of the memory bank that are in the coreset, and the images that own them; None with ``gaussians``.
        density: Local density of these rows; None with ``gaussians``.
        good_images: The images of ``bank`` as JPEG files, resized like the input of the network;
            empty in a model that has none and so explains nothing.
        good_scores: Scores of good patches by position, in whose units patches are scored; None without them.
        appearance: Shapes and colours of good images, by which images of something else are recognised; None in a model
            that takes every image for one of the part.
        pose: Golden image that images are aligned to; None in a model that takes them as they are.
        zones: Zones of the part, in whose units patches are scored; None without them.
        global_branch: Gaussian of whole good images; None without a global branch.
        gaussians: The detector of a model that has no memory bank.
        written: Time when its ``model.json`` was written; None if it was not read from files, or these keep no time.
    """

    manifest: dict[str, Any]
    network: bytes
    calibration: Calibration
    bank: MemoryBank | None = None
    density: LocalDensity | None = None
    good_images: list[bytes] = field(default_factory=list)
    good_scores: GoodScores | None = None
    appearance: Appearance | None = None
    pose: Pose | None = None
    zones: Zones | None = None
    global_branch: GlobalBranch | None = None
    gaussians: GaussianDetector | None = None
    written: datetime | None = None

    def detector(self, scoring: "ScoringSettings") -> Detector:
        """Build the detector that scores.

        Args:
            scoring: Settings of the scores, those of the manifest.

        Raises:
            InputError: If the parts are not those of one model.
        """
        if self.gaussians is not None:
            check_parts(self, self.gaussians, scoring)
            return self.gaussians
        assert self.bank is not None
        assert self.density is not None
        alpha = self.calibration.scoring.get(
            "alpha", scoring.alpha
        )  # may be "auto", as in training
        detector = MemoryBankDetector(
            self.bank,
            self.density,
            scoring.model_copy(update={"alpha": alpha}),
            self.calibration.alpha,
            good_scores=self.good_scores,
            zones=self.zones,
            global_branch=self.global_branch,
        )
        check_parts(self, detector, scoring)
        return replace(detector, scoring=scoring).lean()


def pack(
    name: str,
    network: bytes,
    tiles: "Tiles | None",
    detector: Detector,
    calibration: Calibration,
    good_images: list[bytes],
) -> PackagedModel:
    """Build a packaged model from its parts.

    Args:
        name: Name of the category.
        network: See :class:`PackagedModel`.
        tiles: Tiles that the network sees; None if it sees the whole image.
        detector: The fitted detector; its bank, if it has one, has only images that own a row, see
            :func:`with_images_of_rows`.
        calibration: See :class:`PackagedModel`; images will be scored with its settings.
        good_images: One file for each image of the bank, see :func:`good_image`.
    """
    parts, about = _described(detector)
    extractor = detector.bank if isinstance(detector, MemoryBankDetector) else detector
    pose = Pose.of_json(extractor.extractor.get("pose"))
    manifest = {
        "name": name,
        "features": {
            "value_range": None,  # of images of 8 bits
            **extractor.extractor,
            "pose": None if pose is None else pose.statement,
            "tile_stride": tiles.stride if tiles else None,
        },
        "scoring": {**calibration.scoring, "alpha": calibration.alpha},
        "calibration": {
            **calibration.facts(),
            "image_threshold": finite(calibration.image_threshold),
            "doubtful_threshold": calibration.doubtful_threshold,
            "pixel_threshold": finite(calibration.pixel_threshold),
        },
        **about,
        **({"zones": zones.cut_offs(calibration)} if (zones := parts.get("zones")) else {}),
        "made_with": {"python": platform.python_version(), **_versions()},
    }
    return PackagedModel(
        manifest, network, calibration, good_images=good_images, pose=pose, **parts
    )


def _described(detector: Detector) -> tuple[dict[str, Any], dict[str, Any]]:
    """List the parts of a detector, and describe them for the manifest."""
    if isinstance(detector, GaussianDetector):
        height, width, channels = detector.mean.shape
        images = len(detector.image_ids)
        about = {"images": images, "grid": [height, width], "channels": channels}
        return {"gaussians": detector}, {"gaussians": about}
    bank = detector.bank
    about = {
        "rows": len(bank.features),
        "images": len(bank.image_ids),
        "distance": bank.distance,
    }
    parts = {
        "bank": bank,
        "density": detector.density,
        "good_scores": detector.good_scores,
        "zones": detector.zones,
        "global_branch": detector.global_branch,
    }
    return parts, {"bank": about}


def with_images_of_rows(bank: MemoryBank) -> MemoryBank:
    """Copy a bank with the same rows, but only the ids of images that own a row."""
    owners, image = np.unique(bank.image, return_inverse=True)
    image_ids = [bank.image_ids[owner] for owner in owners]
    hashes = [bank.image_hashes[owner] for owner in owners] if bank.image_hashes else []
    return replace(bank, image=image.astype(np.int32), image_ids=image_ids, image_hashes=hashes)


def good_image(image: np.ndarray, size: Size) -> bytes:
    r"""Encode a good image for a packaged model: as a JPEG file, resized like the input of the network.

    Args:
        image: uint8 [height, width, 3] RGB.
        size: Side, or height and width, of the resized image in pixels.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.inspection.model import good_image
        >>> data = good_image(np.zeros((480, 640, 3), np.uint8), size=256)
        >>> data[:2]  # the signature of a JPEG file
        b'\xff\xd8'
    """
    from reb_pipeline.images.resize import resize_image

    return jpeg(resize_image(image, size), JPEG_QUALITY)


def write_model(model: PackagedModel, folder: str, filesystem: "AbstractFileSystem") -> None:
    """Write a packaged model; the same model gives the same bytes.

    The manifest is written last, so that an incomplete folder is not a packaged model.

    Args:
        model: The model.
        folder: Path of the folder; must not exist yet.
        filesystem: File system of the folder.

    Example:
        >>> import fsspec
        >>> from reb_pipeline.inspection.model import read_model, write_model
        >>> memory = fsspec.filesystem("memory")
        >>> model = read_model("tests/inspection/models/former_records")
        >>> write_model(model, "/part", memory)
        >>> read_model("memory://part").manifest["name"]
        'part'
    """
    contents = _contents(model)
    inner = f"{folder}/{GOOD_IMAGES}" if GOOD_IMAGES in contents else folder
    filesystem.makedirs(inner, exist_ok=True)
    filesystem.pipe(
        {f"{folder}/{name}": data for files in contents.values() for name, data in files.items()}
    )
    parts = {
        # Good images only explain; all other parts change the scores.
        part: Part(
            part != GOOD_IMAGES,
            {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
        )
        for part, files in contents.items()
    }
    write_manifest(model.manifest, parts, folder, filesystem)


def read_model(path: str | Path, filesystem: "AbstractFileSystem | None" = None) -> PackagedModel:
    """Read a packaged model and check that every file of its parts is unchanged.

    A part that this version does not know is ignored, with a line in the log, unless the model requires it.

    Args:
        path: The folder that contains ``model.json``.
        filesystem: File system of the folder; if None, ``path`` may be a URL of any fsspec file system.

    Raises:
        InputError: If it is not a packaged model, has another format, is incomplete or was changed, or requires a part
            that this version does not know.

    Example:
        >>> from reb_pipeline.inspection.model import read_model
        >>> model = read_model("tests/inspection/models/former_records")
        >>> model.bank.features.shape, len(model.good_images)
        ((51, 3), 8)
    """
    folder = str(path)
    if filesystem is None:
        filesystem, folder = _resolve(folder)
    manifest = read_manifest(folder, filesystem)
    parts = _known_parts(parts_of(manifest, folder), folder)
    hashes = {name: sha256 for part in parts.values() for name, sha256 in part.files.items()}
    files = _checked_files(filesystem, folder, hashes)
    records = {part: _record(part, files[FILES[part]], folder) for part in RECORDS if part in parts}
    images = (
        [files[name] for name in sorted(parts[GOOD_IMAGES].files)] if GOOD_IMAGES in parts else []
    )
    n_images = len(records["bank"].image_ids) if "bank" in records else 0
    if len(images) not in (0, n_images):
        raise wrong_manifest(folder, "lists another number of good images than the bank has")
    return PackagedModel(
        manifest,
        files[FILES[NETWORK]],
        good_images=images,
        written=written_at(folder, filesystem),
        **records,
    )


def _contents(model: PackagedModel) -> dict[str, dict[str, bytes]]:
    """Encode the files of each part."""
    records = {part: record for part in RECORDS if (record := getattr(model, part)) is not None}
    contents = {
        NETWORK: {FILES[NETWORK]: model.network},
        **{part: {FILES[part]: _record_file(record)} for part, record in records.items()},
    }
    images = _image_files(model.good_images)
    return {**contents, GOOD_IMAGES: images} if images else contents


def _known_parts(parts: Mapping[str, Part], folder: str) -> dict[str, Part]:
    """Select the parts that this version reads.

    Raises:
        InputError: If a part is required and not known, or a part that is needed is missing or has other files.
    """
    known = {name: part for name, part in parts.items() if name in FILES or name == GOOD_IMAGES}
    others = sorted(parts.keys() - known.keys())
    required = [name for name in others if parts[name].required]
    if required:
        msg = (
            f"The packaged model '{folder}' requires the part {required[0]!r}, which this reb-pipeline does not know: "
            f"update reb-pipeline."
        )
        raise InputError(msg)
    if others:
        logger.warning(
            "Parts of the packaged model '%s' that this reb-pipeline does not know are ignored: %s.",
            folder,
            ", ".join(others),
        )
    for name in (*NEEDED, *(() if "gaussians" in known else OF_A_BANK)):
        if name not in known:
            raise wrong_manifest(folder, f"lists no part {name!r}")
    for name, part in known.items():
        expected = {FILES[name]} if name in FILES else _image_files(part.files).keys()
        if part.files.keys() != expected:
            raise wrong_manifest(folder, f"lists other files of the part {name!r} than it has")
    return known


def _image_files(images: Iterable[Any]) -> dict[str, Any]:
    """Map the file name of each good image to its value."""
    return {f"{GOOD_IMAGES}/{number:06d}.jpg": image for number, image in enumerate(images)}


def _checked_files(
    filesystem: "AbstractFileSystem", folder: str, hashes: dict[str, str]
) -> dict[str, bytes]:
    """Read all files, sorted by name, and check their hashes."""
    names = sorted(hashes)
    contents = filesystem.cat_ranges([f"{folder}/{name}" for name in names], None, None)
    for name, data in zip(names, contents, strict=True):
        if isinstance(data, Exception):
            msg = f"'{name}' of the packaged model '{folder}' cannot be read ({data}): {AGAIN}."
            raise InputError(msg) from data
        found = hashlib.sha256(data).hexdigest()
        if found != hashes[name]:
            msg = (
                f"'{name}' of the packaged model '{folder}' is not what was packaged, its SHA-256 is {found} and not "
                f"{hashes[name]}: {AGAIN}."
            )
            raise InputError(msg)
    return dict(zip(names, contents, strict=True))


def _record_file(record: Any) -> bytes:
    file = io.BytesIO()
    write_record(record, file)
    return file.getvalue()


def _record(part: str, data: bytes, folder: str) -> Any:
    try:
        return read_record(RECORDS[part], io.BytesIO(data), is_local=False)
    except RecordError as error:
        msg = error.sentence(f"'{FILES[part]}' of the packaged model '{folder}'", AGAIN)
        raise InputError(msg) from error


def _resolve(path: str) -> "tuple[AbstractFileSystem, str]":
    import fsspec

    with reaching(f"The packaged model '{path}' cannot be opened", "correct its path"):
        filesystem, folder = fsspec.url_to_fs(path)
        filesystem.exists(folder)  # others than local ones are first asked here
    return filesystem, folder.rstrip("/")


def _versions() -> dict[str, str]:
    found = {}
    for name in MADE_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
