"""Folder of a packaged model: written, read, and checked for changes."""

import hashlib
import io
import platform
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reb_pipeline.calibration.record import Calibration
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import RecordError, read_record, write_record
from reb_pipeline.inspection.encoding import finite, jpeg
from reb_pipeline.inspection.manifest import AGAIN, read_manifest, write_manifest, wrong_manifest
from reb_pipeline.memory_bank.bank import MemoryBank
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.scoring.good_scores import GoodScores

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from reb_pipeline.features.tiles import Tiles
    from reb_pipeline.scoring.detector import MemoryBankDetector

NETWORK = "network.onnx"
RECORDS: dict[str, Any] = {
    "bank.npz": MemoryBank, "density.npz": LocalDensity, "calibration.npz": Calibration
}  # fmt: skip
MADE_WITH = (
    "reb-pipeline", "torch", "torchvision", "timm", "onnx", "onnxscript", "numpy", "faiss-cpu", "pillow"
)  # fmt: skip
OPTIONAL: dict[str, Any] = {"good_scores.npz": GoodScores}
JPEG_QUALITY = 90


@dataclass(frozen=True, eq=False)
class PackagedModel:
    """Packaged model: all parts needed to inspect images of one category.

    Attributes:
        manifest: Description of the model, JSON values; a model that was read also has ``files`` and ``digest``.
        network: ONNX file: uint8 [1, side, side, 3] RGB -> patch features, float32 [1, h, w, channels].
        bank: Rows of the memory bank that are in the coreset, and the images that own them.
        density: Local density of these rows.
        calibration: Calibration with scores of good images.
        good_images: The images of ``bank`` as JPEG files, resized like the input of the network.
        good_scores: Scores of good patches by position, in whose units patches are scored; None without them.
    """

    manifest: dict[str, Any]
    network: bytes
    bank: MemoryBank
    density: LocalDensity
    calibration: Calibration
    good_images: list[bytes]
    good_scores: GoodScores | None = None


def pack(
    name: str,
    network: bytes,
    tiles: "Tiles | None",
    detector: "MemoryBankDetector",
    calibration: Calibration,
    good_images: list[bytes],
) -> PackagedModel:
    """Build a packaged model from its parts.

    Args:
        name: Name of the category.
        network: See :class:`PackagedModel`.
        tiles: Tiles that the network sees; None if it sees the whole image.
        detector: The fitted detector, whose bank has only images that own a row, see :func:`with_images_of_rows`.
        calibration: See :class:`PackagedModel`; images will be scored with its settings.
        good_images: One file for each image of the bank, see :func:`good_image`.
    """
    bank = detector.bank
    manifest = {
        "name": name,
        "features": {
            "value_range": None,  # of images of 8 bits
            **bank.extractor,
            "tile_stride": tiles.stride if tiles else None,
        },
        "scoring": {**calibration.scoring, "alpha": calibration.alpha},
        "calibration": {
            **calibration.facts(),
            "image_threshold": finite(calibration.image_threshold),
            "pixel_threshold": finite(calibration.pixel_threshold),
        },
        "bank": {
            "rows": len(bank.features),
            "images": len(bank.image_ids),
            "distance": bank.distance,
        },
        "made_with": {"python": platform.python_version(), **_versions()},
    }
    return PackagedModel(
        manifest, network, bank, detector.density, calibration, good_images, detector.good_scores
    )


def with_images_of_rows(bank: MemoryBank) -> MemoryBank:
    """Copy a bank with the same rows, but only the ids of images that own a row."""
    owners, image = np.unique(bank.image, return_inverse=True)
    image_ids = [bank.image_ids[owner] for owner in owners]
    return replace(bank, image=image.astype(np.int32), image_ids=image_ids)


def good_image(image: np.ndarray, side: int) -> bytes:
    r"""Encode a good image for a packaged model: as a JPEG file, resized like the input of the network.

    Args:
        image: uint8 [height, width, 3] RGB.
        side: Side of the resized image in pixels.

    Example:
        >>> import numpy as np
        >>> from reb_pipeline.inspection.model import good_image
        >>> data = good_image(np.zeros((480, 640, 3), np.uint8), side=256)
        >>> data[:2]  # the signature of a JPEG file
        b'\xff\xd8'
    """
    from reb_pipeline.images.resize import resize_image

    return jpeg(resize_image(image, side), JPEG_QUALITY)


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
    records = dict(zip(RECORDS, (model.bank, model.density, model.calibration), strict=True))
    if model.good_scores is not None:
        records["good_scores.npz"] = model.good_scores
    files = {
        NETWORK: model.network,
        **_image_files(model.good_images),
        **{name: _record_file(record) for name, record in records.items()},
    }
    filesystem.makedirs(f"{folder}/good_images", exist_ok=True)
    filesystem.pipe({f"{folder}/{name}": data for name, data in files.items()})
    hashes = {name: _sha256(files[name]) for name in sorted(files)}
    write_manifest(model.manifest, hashes, folder, filesystem)


def read_model(path: str | Path, filesystem: "AbstractFileSystem | None" = None) -> PackagedModel:
    """Read a packaged model and check that every file is unchanged.

    Args:
        path: The folder that contains ``model.json``.
        filesystem: File system of the folder; if None, ``path`` may be a URL of any fsspec file system.

    Raises:
        InputError: If it is not a packaged model, has another format, is incomplete or was changed.

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
    hashes = manifest.get("files")
    if not isinstance(hashes, dict) or hashes.keys() != _expected_files(hashes):
        raise wrong_manifest(folder, "lists other files than a packaged model has")
    files = _checked_files(filesystem, folder, hashes)
    network = files.pop(NETWORK)
    records = {name: _record(files.pop(name), folder, name) for name in _records_in(files)}
    bank, density, calibration = (records[name] for name in RECORDS)
    images = list(files.values())
    return PackagedModel(
        manifest, network, bank, density, calibration, images, records.get("good_scores.npz")
    )


def _expected_files(names: Collection[str]) -> set[str]:
    records = _records_in(names)
    return {NETWORK, *records, *_image_files(range(len(names) - 1 - len(records)))}


def _records_in(names: Collection[str]) -> list[str]:
    """List the records of a packaged model: all required ones, and the optional ones that it has."""
    return [*RECORDS, *(name for name in OPTIONAL if name in names)]


def _image_files(images: Iterable[Any]) -> dict[str, Any]:
    """Map the file name of each good image to its value."""
    return {f"good_images/{number:06d}.jpg": image for number, image in enumerate(images)}


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
        found = _sha256(data)
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


def _record(data: bytes, folder: str, name: str) -> Any:
    try:
        return read_record({**RECORDS, **OPTIONAL}[name], io.BytesIO(data), is_local=False)
    except RecordError as error:
        msg = error.sentence(f"'{name}' of the packaged model '{folder}'", AGAIN)
        raise InputError(msg) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _resolve(path: str) -> "tuple[AbstractFileSystem, str]":
    import fsspec

    try:
        filesystem, folder = fsspec.url_to_fs(path)
    except (ValueError, ImportError) as error:  # unknown protocol, or its package is missing
        msg = f"The packaged model '{path}' cannot be opened ({error}): correct its path."
        raise InputError(msg) from error
    return filesystem, folder.rstrip("/")


def _versions() -> dict[str, str]:
    found = {}
    for name in MADE_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
