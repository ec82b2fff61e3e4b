"""Image files of a folder that has no layout of its own."""

from collections.abc import Collection
from pathlib import PurePosixPath
from tarfile import TarError
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from fsspec.implementations.dirfs import DirFileSystem

# What a file system raises: the network, the protocol, its package, an archive.
UNLISTABLE = (OSError, ValueError, ImportError, BadZipFile, TarError)
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def list_images(
    folder: str, suffixes: Collection[str] = IMAGE_SUFFIXES
) -> "tuple[DirFileSystem, list[str]]":
    """List the image files of a folder and its subfolders; hidden files are left out.

    Args:
        folder: Path or URL (any fsspec file system) of the folder.
        suffixes: Endings of the files to list, in lower case.

    Returns:
        A file system whose root is the folder (``.path`` on the file system ``.fs``), and the sorted
        paths of the images on it, relative to the folder.

    Raises:
        InputError: If the folder is missing, cannot be listed, or holds no image.
    """
    import fsspec
    from fsspec.implementations.dirfs import DirFileSystem

    try:
        filesystem, root = fsspec.url_to_fs(folder)
        rooted = DirFileSystem(path=root or "/", fs=filesystem)  # "" is the root of an archive
        found = rooted.find("") if rooted.isdir("") else None
    except UNLISTABLE as error:  # network, protocol, package
        msg = f"Folder '{folder}' cannot be listed ({error}): correct the path."
        raise InputError(msg) from error
    if found is None:
        msg = f"'{folder}' is no folder that is there: give the path of a folder of images."
        raise InputError(msg)
    files = map(PurePosixPath, found)
    paths = sorted(
        str(file)
        for file in files
        if file.suffix.lower() in suffixes and not any(part.startswith(".") for part in file.parts)
    )
    if not paths:
        endings = ", ".join(sorted(suffixes))
        msg = f"Folder '{folder}' holds no image: put images there ({endings})."
        raise InputError(msg)
    return rooted, paths
