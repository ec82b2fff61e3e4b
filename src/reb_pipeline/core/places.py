"""Places of files, on this machine or elsewhere: errors in reaching them, in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tarfile import TarError
from zipfile import BadZipFile

from reb_pipeline.core.errors import InputError

# What a file system raises: the network, the protocol, its package, an archive.
_UNREACHABLE = (OSError, ValueError, ImportError, BadZipFile, TarError)
# Packages behind file systems elsewhere, whose errors are of types of their own.
_ELSEWHERE = frozenset({"aiohttp", "azure", "botocore", "google", "paramiko", "requests"})
_ARCHIVES = (".zip", ".tar")
_PACKED = (".7z", ".bz2", ".gz", ".rar", ".tgz", ".xz")


@contextmanager
def reaching(what: str, remedy: str, kind: type[InputError] = InputError) -> Iterator[None]:
    """Describe errors in reaching a place; errors that are described already and defects stay as they are.

    Args:
        what: Begin of the sentence, such as ``"Folder 'x' cannot be listed"``.
        remedy: Its end.
        kind: Type of the error.

    Raises:
        InputError: If the place cannot be reached.

    Example:
        >>> with reaching("Model 'x' cannot be opened", "correct its path"):
        ...     raise FileNotFoundError("No such file")
        Traceback (most recent call last):
            ...
        reb_pipeline.core.errors.InputError: Model 'x' cannot be opened (No such file): correct its path.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not is_unreachable(error):
            raise
        msg = f"{what} ({error}): {remedy}."
        raise kind(msg) from error


def is_unreachable(error: BaseException) -> bool:
    """Return True for an error of a file system, the network or an archive."""
    return isinstance(error, _UNREACHABLE) or is_elsewhere(error)


def is_elsewhere(error: BaseException) -> bool:
    """Return True for an error of a package behind file systems elsewhere, such as missing credentials."""
    return type(error).__module__.partition(".")[0] in _ELSEWHERE


def elsewhere_error(error: BaseException) -> InputError:
    """Create the error of storage elsewhere that failed during the work."""
    return InputError(
        f"Storage elsewhere does not answer as it should ({error}): check network and credentials, and run again."
    )


def no_folder(path: str) -> str:
    """Say why a path that was to be a folder is none, and what to give instead.

    Args:
        path: Path or URL; nothing, a file or an archive is there.

    Example:
        >>> no_folder("CITATION.cff")
        "'CITATION.cff' is a file and no folder: give the folder that it lies in."
        >>> no_folder("gone.zip")
        "'gone.zip' is no folder that is there: correct the path."
    """
    if not os.path.isfile(path):
        remedy = "give one folder and no pattern" if set("*?") & set(path) else "correct the path"
        return f"'{path}' is no folder that is there: {remedy}."
    ending = os.path.splitext(path)[1].lower()
    if ending in _ARCHIVES:
        return (
            f"'{path}' is an archive and no folder: unpack it, or give '{ending[1:]}://::{path}'."
        )
    if ending in _PACKED:
        return f"'{path}' is an archive and no folder: unpack it."
    return f"'{path}' is a file and no folder: give the folder that it lies in."
