"""Folders packed into archives."""

import tarfile
import zipfile
from pathlib import Path


def pack(root: Path, kind: str, inside: str = "") -> str:
    """Pack a folder beside it; returns the address of its content, by which nothing is unpacked.

    Args:
        root: The folder.
        kind: "zip", "tar" or "gztar".
        inside: Folder of the archive that its content comes into.
    """
    suffix, protocol = {
        "zip": (".zip", "zip"),
        "tar": (".tar", "tar"),
        "gztar": (".tar.gz", "tar"),
    }[kind]
    file = root.with_name(root.name + suffix)
    paths = [(path, Path(inside, path.relative_to(root))) for path in sorted(root.rglob("*"))]
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for path, name in paths:
                archive.write(path, name)
    else:
        with tarfile.open(file, "w:gz" if kind == "gztar" else "w") as tar:
            for path, name in paths:
                tar.add(path, name, recursive=False)
    return f"{protocol}://{inside}::{file}"
