"""``model.json``: description of a packaged model, with hashes that reveal changes.

It contains the SHA-256 of every other file, and ``digest``, the SHA-256 of its other content. So the digest
identifies the content of the whole folder: it is the id of the model.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.records import load_json

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MANIFEST = "model.json"
FORMAT = "reb-pipeline packaged model"
FORMAT_VERSION = 1
AGAIN = "copy the whole folder again, or run the pipeline packaging again"


def write_manifest(
    manifest: dict[str, Any], files: dict[str, str], folder: str, filesystem: "AbstractFileSystem"
) -> None:
    """Add format, files and digest to a manifest, and write it.

    Args:
        manifest: JSON values.
        files: SHA-256 of each file, by its path in the folder.
        folder: The folder.
        filesystem: File system of the folder.
    """
    content = {**manifest, "format": FORMAT, "format_version": FORMAT_VERSION, "files": files}
    text = json.dumps({**content, "digest": digest_of(content)}, indent=2, allow_nan=False)
    filesystem.pipe_file(f"{folder}/{MANIFEST}", f"{text}\n".encode())


def read_manifest(folder: str, filesystem: "AbstractFileSystem") -> dict[str, Any]:
    """Read the manifest of a folder, without a check of its ``files``.

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


def digest_of(manifest: dict[str, Any]) -> str:
    """Compute the SHA-256 of a manifest without ``digest``, as JSON with sorted names and no spaces."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def wrong_manifest(folder: str, what: str) -> InputError:
    """Create the error of a manifest that cannot be used."""
    return InputError(f"'{MANIFEST}' of the packaged model '{folder}' {what}: {AGAIN}.")


def _check_version(folder: str, given: Any) -> None:
    if given == FORMAT_VERSION:
        return
    is_newer = isinstance(given, int) and given > FORMAT_VERSION
    remedy = "update reb-pipeline" if is_newer else "run the pipeline packaging again"
    msg = (
        f"The packaged model '{folder}' has format version {given!r}, but this reb-pipeline reads version "
        f"{FORMAT_VERSION}: {remedy}."
    )
    raise InputError(msg)


def _nothing_there(folder: str, filesystem: "AbstractFileSystem") -> InputError:
    """Create the error of a missing manifest; suggests a version if the folder of all versions was given."""
    versions = filesystem.glob(f"{folder}/*/*/{MANIFEST}")
    if versions:
        hint = f"did you mean '{str(max(versions)).removesuffix(f'/{MANIFEST}')}'?"
    else:
        hint = "give the folder that the pipeline packaging wrote, 06_models/<category>/model/<version>/model."
    return InputError(f"'{folder}' is no packaged model, for it has no {MANIFEST}: {hint}")
