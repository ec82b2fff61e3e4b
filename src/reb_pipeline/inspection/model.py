"""The folder of a packaged model: written, read, and refused where it is not what was written."""

import hashlib
import io
import platform
from collections.abc import Iterable
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

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from reb_pipeline.features.tiles import Tiles

NETWORK = "network.onnx"
RECORDS: dict[str, Any] = {
    "bank.npz": MemoryBank, "density.npz": LocalDensity, "calibration.npz": Calibration
}  # fmt: skip
MADE_WITH = (
    "reb-pipeline", "torch", "torchvision", "timm", "onnx", "onnxscript", "numpy", "faiss-cpu", "pillow"
)  # fmt: skip
JPEG_QUALITY = 90


@dataclass(frozen=True, eq=False)
class PackagedModel:
    """Everything that is needed to inspect images of one category.

    Attributes:
        manifest: What the model is, JSON values; that of one that was read has ``files`` and ``digest``.
        network: ONNX file from uint8 [1, side, side, 3] RGB to patch features, float32 [1, h, w, channels].
        bank: The memory bank's rows that are in the coreset, and the images that own one.
        density: Local density of these rows.
        calibration: Scores of good images.
        good_images: The images of ``bank`` as JPEG files, in the size that images are resized to.
    """

    manifest: dict[str, Any]
    network: bytes
    bank: MemoryBank
    density: LocalDensity
    calibration: Calibration
    good_images: list[bytes]


def pack(
    name: str,
    network: bytes,
    tiles: "Tiles | None",
    bank: MemoryBank,
    density: LocalDensity,
    calibration: Calibration,
    good_images: list[bytes],
) -> PackagedModel:
    """Put a packaged model together.

    Args:
        name: Of the category.
        network: See :class:`PackagedModel`.
        tiles: How an image is cut for the network; None where it sees all of it.
        bank: See :func:`with_images_of_rows`.
        density: See :class:`PackagedModel`.
        calibration: See :class:`PackagedModel`; images will be scored as these were.
        good_images: See :func:`good_image`; one for each image of ``bank``.
    """
    manifest = {
        "name": name,
        "features": {**bank.extractor, "tile_stride": tiles.stride if tiles else None},
        "scoring": {**calibration.scoring, "alpha": calibration.alpha},
        "calibration": {
            "images": calibration.n_images,
            "source": calibration.source,
            "false_alarm_rate": calibration.false_alarm_rate,
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
    return PackagedModel(manifest, network, bank, density, calibration, good_images)


def with_images_of_rows(bank: MemoryBank) -> MemoryBank:
    """The same rows, with the ids of those images alone that own one."""
    owners, image = np.unique(bank.image, return_inverse=True)
    image_ids = [bank.image_ids[owner] for owner in owners]
    return replace(bank, image=image.astype(np.int32), image_ids=image_ids)


def good_image(image: np.ndarray, side: int) -> bytes:
    """A good image as it is packaged: a JPEG file in the size that images are resized to.

    Args:
        image: uint8 [height, width, 3] RGB.
        side: Pixels.
    """
    from reb_pipeline.images.resize import resize_image

    return jpeg(resize_image(image, side), JPEG_QUALITY)


def write_model(model: PackagedModel, folder: str, filesystem: "AbstractFileSystem") -> None:
    """Write a packaged model; the same model gives the same bytes.

    The manifest comes last, so that a folder that was not finished is no packaged model.

    Args:
        model: The model.
        folder: Where to; nothing is there yet.
        filesystem: Where the folder lies.
    """
    records = zip(RECORDS, (model.bank, model.density, model.calibration), strict=True)
    files = {
        NETWORK: model.network,
        **_image_files(model.good_images),
        **{name: _record_file(record) for name, record in records},
    }
    filesystem.makedirs(f"{folder}/good_images", exist_ok=True)
    filesystem.pipe({f"{folder}/{name}": data for name, data in files.items()})
    hashes = {name: _sha256(files[name]) for name in sorted(files)}
    write_manifest(model.manifest, hashes, folder, filesystem)


def read_model(path: str | Path, filesystem: "AbstractFileSystem | None" = None) -> PackagedModel:
    """Read a packaged model, after a check that every file is the one that was written.

    Args:
        path: The folder that holds ``model.json``.
        filesystem: Where it lies; without it ``path`` may be a URL of any fsspec file system.

    Raises:
        InputError: If it is no packaged model, of another format, incomplete or changed.
    """
    folder = str(path)
    if filesystem is None:
        filesystem, folder = _resolve(folder)
    manifest = read_manifest(folder, filesystem)
    hashes = manifest.get("files")
    if not isinstance(hashes, dict) or hashes.keys() != _expected_files(len(hashes)):
        raise wrong_manifest(folder, "lists other files than a packaged model has")
    files = _checked_files(filesystem, folder, hashes)
    network = files.pop(NETWORK)
    bank, density, calibration = (_record(files.pop(name), folder, name) for name in RECORDS)
    return PackagedModel(manifest, network, bank, density, calibration, list(files.values()))


def _expected_files(n: int) -> set[str]:
    return {NETWORK, *RECORDS, *_image_files(range(n - 1 - len(RECORDS)))}


def _image_files(images: Iterable[Any]) -> dict[str, Any]:
    """Name of the file of each good image -> what was given for it."""
    return {f"good_images/{number:06d}.jpg": image for number, image in enumerate(images)}


def _checked_files(
    filesystem: "AbstractFileSystem", folder: str, hashes: dict[str, str]
) -> dict[str, bytes]:
    """Each file by its name, sorted, if its hash is the one that was written down."""
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
        return read_record(RECORDS[name], io.BytesIO(data), is_local=False)
    except RecordError as error:
        msg = error.sentence(f"'{name}' of the packaged model '{folder}'", AGAIN)
        raise InputError(msg) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _resolve(path: str) -> "tuple[AbstractFileSystem, str]":
    import fsspec

    try:
        filesystem, folder = fsspec.url_to_fs(path)
    except (ValueError, ImportError) as error:  # of the protocol, of its package
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
