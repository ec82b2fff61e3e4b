"""Good training images that a list leaves out of everything that is learnt."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING
from unicodedata import normalize

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.places import reaching
from reb_pipeline.core.spreadsheets import read_rows, without_guard
from reb_pipeline.images.samples import good_training

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "left out"  # of the images that are left out, in the place of train
IMAGE, LEAVE_OUT = "image", "leave_out"  # columns of the list
# Words of the column leave_out; the first ones are written.
YES, NO = ("yes", "y", "true", "1", "x"), ("no", "n", "false", "0", "")


def leave_out(samples: "pd.DataFrame", path: str) -> "pd.DataFrame":
    """Move the good training images that a list names from the training to a split of their own.

    Images of the calibration split stay: a threshold of images that were chosen by their score promises nothing.

    Args:
        samples: Table of samples, or an inventory.
        path: Path or URL of the list, see :func:`read_list`.

    Returns:
        A copy of the table, in which these images have the split :data:`SPLIT`.

    Raises:
        InputError: If the list cannot be read, names another image than one of the good training images, or all.
    """
    good = set(good_training(samples)["id"])
    splits = dict(zip(samples["id"], samples["split"], strict=True))
    # A Mac may decompose letters such as ü, in the names of files or in the list.
    spelt = {normalize("NFC", name): name for name in splits}
    names = [
        name
        if name in splits
        else spelt.get(normalize("NFC", without_guard(name)), without_guard(name))
        for name in read_list(path)
    ]
    for name in names:
        if name not in good:
            raise InputError(_refusal(name, path, splits.get(name), sorted(good)))
    if good and good == set(names):
        msg = f"'{path}' leaves out all {len(good)} good training images, and none is left to learn from: name fewer."
        raise InputError(msg)
    is_named = samples["id"].isin(names)
    return samples.assign(split=samples["split"].mask(is_named, SPLIT))


def read_list(path: str) -> list[str]:
    """Read the ids of the images to leave out from a CSV file that a person may have edited.

    Args:
        path: Path or URL (any fsspec file system) of a file with the column ``image`` and, if not all of its images are
            meant, the column ``leave_out`` with yes or no. Commas, semicolons or tabs separate the columns.

    Raises:
        InputError: If the file cannot be read, has no column ``image``, a column is misspelt, or a word is
            neither yes nor no.
    """
    import fsspec

    given = f"The list ingestion.leave_out = '{path}'"
    remedy = "correct the path, save it as CSV in UTF-8, or set it to null"
    with reaching(f"{given} cannot be read", remedy):
        filesystem, place = fsspec.url_to_fs(path)
        text = filesystem.cat_file(place).decode("utf-8-sig")
    columns, rows = read_rows(text, path)
    if IMAGE not in columns:
        msg = (
            f"{given} has no column '{IMAGE}': give a CSV file with the columns '{IMAGE}' and '{LEAVE_OUT}', such as "
            f"the suspects that a training writes."
        )
        raise InputError(msg)
    misspelt = get_close_matches(LEAVE_OUT, columns, n=1)
    if misspelt and LEAVE_OUT not in columns:  # else all its images would be left out
        raise InputError(f"{given} has a column '{misspelt[0]}': call it '{LEAVE_OUT}'.")
    names = []
    for line, row in rows:
        word = row.get(LEAVE_OUT, YES[0]).strip().lower()
        if word not in (*YES, *NO):
            msg = f"Line {line} of '{path}' has {word!r} in the column '{LEAVE_OUT}': write yes or no."
            raise InputError(msg)
        if word in YES:
            names.append(row[IMAGE])
    return names


def _refusal(name: str, path: str, split: str | None, good: Sequence[str]) -> str:
    if split == "calibration":
        return (
            f"'{path}' leaves out {name!r}, which is in the calibration split: a false-alarm rate is promised only if "
            f"none of its images is dropped for its score, so take the line out of the list. If the part is defective, "
            f"move its file to those of its defect."
        )
    if split is not None:
        return f"'{path}' leaves out {name!r}, which is no good training image: take its line out of the list."
    close = get_close_matches(name, good, n=1) or good[:1]
    hint = f"did you mean {close[0]!r}?" if close else "there are none."
    return f"'{path}' leaves out {name!r}, but none of the {len(good)} good training images is called so: {hint}"
