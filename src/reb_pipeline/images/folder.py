"""Image files of a folder, and what else lies there and is not read."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.places import no_folder, reaching

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from fsspec.implementations.dirfs import DirFileSystem

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
# Image files of cameras and phones that are not read; what else lies beside images is no image.
OTHER_FORMATS = frozenset(
    {
        ".apng", ".arw", ".avif", ".cr2", ".cr3", ".dcm", ".dds", ".dib", ".dng", ".exr", ".fit", ".fits", ".gif",
        ".hdr", ".heic", ".heif", ".hif", ".ico", ".j2c", ".j2k", ".jfif", ".jp2", ".jpe", ".jpx", ".jxl", ".jxr",
        ".nef", ".npy", ".orf", ".pam", ".pbm", ".pcx", ".pfm", ".pgm", ".pnm", ".ppm", ".psd", ".qoi", ".raf",
        ".raw", ".rw2", ".tga",
    }
)  # fmt: skip
MAX_FILE_BYTES = (
    2**30
)  # larger than any image of 100 megapixels: such a file is not read into memory

UNREADABLE_FOLDERS, OTHER_FORMAT, OUTSIDE = "unreadable_folders", "other_formats", "outside_layout"
UNLABELED, HIDDEN, OTHER_FILES = "unlabeled", "hidden", "other_files"
# Kinds of files and folders that are not read -> their description, after their number.
NOT_READ = {
    UNREADABLE_FOLDERS: "folders or links cannot be opened, so that nothing in them is read",
    OTHER_FORMAT: "image files are not read because of their format",
    OUTSIDE: "image files are not read because of their place",
    UNLABELED: "images are not read because their list gives them no label",
    HIDDEN: "hidden files or folders are not read",
    OTHER_FILES: "files are not read because they are no images by their names",
}
_NAMED = 4  # endings or folders that a sentence names


@dataclass(frozen=True)
class FolderListing:
    """Files of a folder and its subfolders.

    Attributes:
        images: Sorted paths of the image files, relative to the folder.
        not_read: Sorted paths of all else by kind, see :data:`NOT_READ`; folders end with "/". No kind is empty.
    """

    images: list[str]
    not_read: dict[str, list[str]]


def list_folder(
    filesystem: "AbstractFileSystem", root: str, suffixes: Collection[str] = IMAGE_SUFFIXES
) -> FolderListing:
    """List a folder and its subfolders; links to folders are followed, except those to a folder above.

    Args:
        filesystem: File system of the folder.
        root: Path of the folder.
        suffixes: Endings of the files to read, in lower case.

    Raises:
        OSError: If the folder itself cannot be listed; subfolders that cannot are part of the result.
    """
    images: list[str] = []
    not_read: dict[str, list[str]] = {kind: [] for kind in NOT_READ}

    def look(folder: str, links: tuple[str, ...]) -> None:
        place = f"{root.rstrip('/')}/{folder}" if root and folder else root or folder
        for entry in filesystem.ls(place, detail=True):
            name = PurePosixPath(entry["name"]).name
            path = PurePosixPath(folder, name).as_posix()
            if not name or entry["name"].strip("/") == place.strip("/"):
                continue  # some file systems list a folder in itself
            if name.startswith("."):
                not_read[HIDDEN].append(f"{path}/" if entry["type"] == "directory" else path)
            elif is_folder(filesystem, entry):
                enter(path, entry, links)
            elif PurePosixPath(name).suffix.lower() in suffixes:
                images.append(path)
            else:
                not_read[_kind(entry, name, filesystem)].append(path)

    def enter(path: str, entry: Mapping[str, Any], links: tuple[str, ...]) -> None:
        if entry.get("islink"):
            target = os.path.realpath(entry["name"])
            here = os.path.realpath(os.path.dirname(entry["name"]))
            if target in links or os.path.commonpath([target, here]) == target:
                return  # what is there is read already
            links = (*links, target)
        try:
            look(path, links)
        except OSError:
            not_read[UNREADABLE_FOLDERS].append(f"{path}/")

    look("", ())
    return FolderListing(
        sorted(images), {kind: sorted(paths) for kind, paths in not_read.items() if paths}
    )


def is_folder(filesystem: "AbstractFileSystem", entry: Mapping[str, Any]) -> bool:
    """Check that an entry of a listing is a folder or a link to one, which is listed as a link."""
    return entry["type"] == "directory" or bool(
        entry.get("islink") and filesystem.isdir(entry["name"])
    )


def _kind(entry: Mapping[str, Any], name: str, filesystem: "AbstractFileSystem") -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if entry.get("islink") and not suffix and not filesystem.exists(entry["name"]):
        return UNREADABLE_FOLDERS  # such as a drive that is not mounted
    return OTHER_FORMAT if suffix in OTHER_FORMATS else OTHER_FILES


def list_images(
    folder: str, suffixes: Collection[str] = IMAGE_SUFFIXES, *, may_be_empty: bool = False
) -> "tuple[DirFileSystem, FolderListing]":
    """List the image files of a folder and its subfolders, and what else lies there.

    Args:
        folder: Path or URL (any fsspec file system) of the folder.
        suffixes: Endings of the files to read, in lower case.
        may_be_empty: True accepts a folder without an image.

    Returns:
        A file system whose root is the folder (``.path`` on the file system ``.fs``), and the listing
        of its files.

    Raises:
        InputError: If the folder is missing, cannot be listed, or holds no image.
    """
    import fsspec
    from fsspec.implementations.dirfs import DirFileSystem

    with reaching(f"Folder '{folder}' cannot be listed", "correct the path"):
        filesystem, root = fsspec.url_to_fs(folder)
        rooted = DirFileSystem(path=root or "/", fs=filesystem)  # "" is the root of an archive
        found = list_folder(filesystem, rooted.path, suffixes) if rooted.isdir("") else None
    if found is None:
        raise InputError(no_folder(folder))
    if not found.images and not may_be_empty:
        endings = ", ".join(sorted(suffixes))
        others = "; ".join(not_read_sentences(found.not_read))
        there = f" ({others})" if others else ""
        msg = f"Folder '{folder}' holds no image{there}: put images there ({endings})."
        raise InputError(msg)
    return rooted, found


def list_inputs(paths: Sequence[str]) -> "tuple[DirFileSystem, FolderListing]":
    """List the images of one folder, see :func:`list_images`, or files that are named one by one.

    Args:
        paths: Path or URL of a folder, or paths or URLs of files on one file system.

    Returns:
        A file system whose root is the folder, or the lowest folder that all files lie in; and the listing.

    Raises:
        InputError: If a file is missing or no image by its name, or there are folders beside other paths.
    """
    import fsspec
    from fsspec.implementations.dirfs import DirFileSystem

    places, are_files = [], []
    for path in paths:
        with reaching(f"'{path}' cannot be listed", "correct the path"):
            filesystem, place = fsspec.url_to_fs(path)
            are_files.append(bool(place) and filesystem.isfile(place))
            places.append((filesystem, place))
    if not all(are_files):
        if len(paths) == 1:
            return list_images(paths[0])
        first = paths[are_files.index(False)]
        msg = f"'{first}' is no file that is there: give one folder, or files."
        raise InputError(msg)
    filesystem = places[0][0]
    folder = os.path.commonpath([os.path.dirname(place) for _, place in places])
    found: dict[str, list[str]] = {"": [], OTHER_FORMAT: []}
    for (own, place), path in zip(places, paths, strict=True):
        suffix = PurePosixPath(place).suffix.lower()
        if own is not filesystem or suffix not in IMAGE_SUFFIXES | OTHER_FORMATS:
            if len(paths) == 1:
                raise InputError(no_folder(path))
            where = "on another file system" if own is not filesystem else "no image by its name"
            msg = f"'{path}' is {where}: leave it out."
            raise InputError(msg)
        kind = "" if suffix in IMAGE_SUFFIXES else OTHER_FORMAT
        found[kind].append(PurePosixPath(place).relative_to(folder).as_posix())
    images = sorted(set(found.pop("")))
    not_read = {kind: sorted(set(others)) for kind, others in found.items() if others}
    return DirFileSystem(path=folder, fs=filesystem), FolderListing(images, not_read)


def archive_of(filesystem: "AbstractFileSystem") -> str:
    """Return the URL of the archive whose content a file system is; empty for any other."""
    options = filesystem.storage_options
    return f"{options['target_protocol']}://{options['fo']}" if "fo" in options else ""


def read_file(filesystem: "AbstractFileSystem", path: str) -> bytes:
    """Read a file that is one, and not too large, so that no pipe or device is waited for.

    Args:
        filesystem: File system of the file.
        path: Path on it.

    Raises:
        OSError: If the file is missing, cannot be read, is no regular file, or has more than
            :data:`MAX_FILE_BYTES`.
    """
    entry = filesystem.info(path)
    if entry["type"] != "file":
        msg = f"it is no regular file, but a {_special(entry)}"
        raise OSError(msg)
    if (entry.get("size") or 0) > MAX_FILE_BYTES:
        msg = f"it has {entry['size']:,} bytes, more than the {MAX_FILE_BYTES:,} that are read"
        raise OSError(msg)
    data: bytes = filesystem.cat_file(path)
    return data


def _special(entry: Mapping[str, Any]) -> str:
    return "folder" if entry["type"] == "directory" else "pipe, device or socket"


def not_read_sentences(not_read: Mapping[str, Collection[str]]) -> list[str]:
    """Describe each kind of files that are not read in one sentence.

    Args:
        not_read: Paths by kind, see :data:`NOT_READ`.

    Example:
        >>> from reb_pipeline.images.folder import not_read_sentences
        >>> not_read_sentences({"other_formats": ["good/0.pgm", "good/1.pgm"]})
        ['2 image files are not read because of their format (.pgm 2), first good/0.pgm']
    """
    return [
        f"{len(paths)} {NOT_READ[kind]}{_where(kind, paths)}, first {next(iter(paths))}"
        for kind, paths in not_read.items()
        if paths
    ]


def _where(kind: str, paths: Collection[str]) -> str:
    """Count endings, or folders; empty for kinds whose paths say enough."""
    if kind in (OTHER_FORMAT, OTHER_FILES):
        counted = Counter(PurePosixPath(path).suffix.lower() or "no ending" for path in paths)
    elif kind == OUTSIDE:
        counted = Counter(PurePosixPath(path).parent.as_posix() for path in paths)
    else:
        return ""
    shown = ", ".join(f"{name} {count}" for name, count in counted.most_common(_NAMED))
    return f" ({shown}{', …' if len(counted) > _NAMED else ''})"
