"""``model.json``: description of a packaged model, with hashes that reveal changes.

It lists the parts of the model with the SHA-256 of every file, and contains ``digest``, the SHA-256 of its other
content. So the digest identifies the content of the whole folder: it is the id of the model.

The writer says of each part whether the model can be read without it. A reader that does not know a part ignores it,
or refuses the model. So a new part needs no new format.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from glob import escape
from typing import TYPE_CHECKING, Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.places import reaching
from reb_pipeline.core.records import load_json

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MANIFEST = "model.json"
FORMAT = "reb-pipeline packaged model"
FORMAT_VERSION = 2
AGAIN = "copy the whole folder again, or run the pipeline packaging again"
# Version 1 listed files instead of parts, and all other files were good images.
_PARTS_OF_VERSION_1 = {
    "network.onnx": "network", "bank.npz": "bank", "density.npz": "density", "calibration.npz": "calibration",
    "good_scores.npz": "good_scores",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Part of a packaged model.

    Attributes:
        required: True if a reader that does not know the part must refuse the model.
        files: SHA-256 of each file, by its path in the folder.
    """

    required: bool
    files: dict[str, str]


def write_manifest(
    manifest: dict[str, Any],
    parts: Mapping[str, Part],
    folder: str,
    filesystem: "AbstractFileSystem",
) -> None:
    """Add format, parts and digest to a manifest, and write it.

    Args:
        manifest: JSON values.
        parts: The parts by name.
        folder: The folder.
        filesystem: File system of the folder.
    """
    content = {
        **{name: value for name, value in manifest.items() if name != "files"},  # of version 1
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "parts": {name: asdict(part) for name, part in parts.items()},
    }
    text = json.dumps({**content, "digest": digest_of(content)}, indent=2, allow_nan=False)
    filesystem.pipe_file(f"{folder}/{MANIFEST}", f"{text}\n".encode())


def read_manifest(folder: str, filesystem: "AbstractFileSystem") -> dict[str, Any]:
    """Read the manifest of a folder, without a check of its parts.

    Args:
        folder: The folder.
        filesystem: File system of the folder.

    Raises:
        InputError: If there is no manifest, or it has another format or was changed.
    """
    try:
        text = filesystem.cat_file(f"{folder}/{MANIFEST}")
    except (FileNotFoundError, NotADirectoryError):
        raise _nothing_there(folder, filesystem) from None
    except OSError as error:
        raise wrong_manifest(folder, f"cannot be read ({error})") from error
    try:
        manifest = load_json(text)
    except ValueError as error:
        raise wrong_manifest(folder, f"is cut off or no JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise wrong_manifest(folder, "is not that of a packaged model")
    _check_version(folder, manifest.get("format_version"))
    digest = digest_of(manifest)
    if manifest.get("digest") != digest:
        raise wrong_manifest(folder, f"was changed after it was written (it hashes to {digest})")
    return manifest


def written_at(folder: str, filesystem: "AbstractFileSystem") -> datetime | None:
    """Read the time when the manifest of a folder was written; None if its file system keeps none.

    Args:
        folder: The folder.
        filesystem: File system of the folder.
    """
    try:
        return filesystem.modified(f"{folder}/{MANIFEST}").astimezone(UTC)
    except (NotImplementedError, OSError, KeyError, AttributeError):
        return None


def model_in(place: str) -> str:
    """Find the packaged model of a folder: the folder itself, the newest of its versions, or the only model below it.

    Args:
        place: Path or URL of a model, of the folder above its versions, or of a folder of models.

    Returns:
        The path or URL of the model; ``place`` if there is none, for the error of :func:`read_manifest`.

    Raises:
        InputError: If several models lie there, or the place cannot be reached.

    Example:
        >>> from reb_pipeline.inspection.manifest import model_in
        >>> model_in("tests/inspection/models/format_2")
        'tests/inspection/models/format_2'
    """
    import fsspec

    with reaching(f"The packaged model '{place}' cannot be opened", "correct its path"):
        filesystem, folder = fsspec.url_to_fs(place)
        folder = folder.rstrip("/")
        if filesystem.exists(f"{folder}/{MANIFEST}"):
            return place
    for depth in ("*", "*/*"):
        found = [
            str(path).removesuffix(f"/{MANIFEST}")
            for path in filesystem.glob(f"{escape(folder)}/{depth}/{MANIFEST}")
        ]
        below = sorted(path[len(folder) + 1 :] for path in found)
        if not below:
            continue
        # A version is a folder with the model inside: <version>/model.
        names = {path.rpartition("/")[2] for path in below}
        if len(names) > 1 or (depth == "*" and len(below) > 1):
            msg = f"'{place}' holds several models ({', '.join(below)}): give one of them."
            raise InputError(msg)
        return f"{place.rstrip('/')}/{below[-1]}"
    return place


def parts_of(manifest: Mapping[str, Any], folder: str) -> dict[str, Part]:
    """List the parts of a packaged model, in any version of the format.

    Args:
        manifest: The manifest.
        folder: Its folder, for the error message.

    Raises:
        InputError: If the manifest has no such list.
    """
    is_former = manifest["format_version"] == 1
    parts = _parts_of_files(manifest.get("files")) if is_former else manifest.get("parts")
    if not isinstance(parts, dict) or not all(map(_is_part, parts.values())):
        raise wrong_manifest(folder, "has no list of parts with the SHA-256 of their files")
    return {name: Part(part["required"], part["files"]) for name, part in parts.items()}


def _parts_of_files(files: Any) -> Any:
    """Sort the files of version 1 into parts; None if they are no list of files."""
    if not isinstance(files, dict):
        return None
    parts: dict[str, Any] = {}
    for name, sha256 in files.items():
        part = _PARTS_OF_VERSION_1.get(name, "good_images")
        parts.setdefault(part, {"required": True, "files": {}})["files"][name] = sha256
    return parts


def _is_part(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == {"required", "files"}
        and isinstance(part["required"], bool)
        and isinstance(part["files"], dict)
    )


def digest_of(manifest: dict[str, Any]) -> str:
    """Compute the SHA-256 of a manifest without ``digest``, as JSON with sorted names and no spaces."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def wrong_manifest(folder: str, what: str) -> InputError:
    """Create the error of a manifest that cannot be used."""
    return InputError(f"'{MANIFEST}' of the packaged model '{folder}' {what}: {AGAIN}.")


def _check_version(folder: str, given: Any) -> None:
    if given in (1, FORMAT_VERSION) and not isinstance(given, bool):
        return
    is_newer = isinstance(given, int) and given > FORMAT_VERSION
    remedy = "update reb-pipeline" if is_newer else "run the pipeline packaging again"
    msg = (
        f"The packaged model '{folder}' has format version {given!r}, but this reb-pipeline reads up to "
        f"version {FORMAT_VERSION}: {remedy}."
    )
    raise InputError(msg)


def _nothing_there(folder: str, filesystem: "AbstractFileSystem") -> InputError:
    """Create the error of a missing manifest; suggests a version if the folder of all versions was given."""
    versions = filesystem.glob(f"{folder}/*/*/{MANIFEST}")
    if versions:
        hint = f"did you mean '{str(max(versions)).removesuffix(f'/{MANIFEST}')}'?"
    else:
        hint = (
            "give the folder that `reb train --output` or the pipeline packaging wrote "
            "(06_models/<category>/model/<version>/model)."
        )
    return InputError(f"'{folder}' is no packaged model, for it has no {MANIFEST}: {hint}")
