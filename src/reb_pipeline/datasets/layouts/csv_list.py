"""Layout of a CSV file that lists images, labels, masks and splits."""

from __future__ import annotations

from typing import ClassVar

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.spreadsheets import read_rows
from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.listed import GOOD, Entry, ListedImagesBase

# Column -> the names that it may have, in lower case.
COLUMNS = {
    "path": ("path", "image", "image_path", "file", "filename", "file_name"),
    "label": ("label", "label_index"),
    "mask": ("mask", "mask_path"),
    "split": ("split",),
}
GOOD_LABELS = ("good", "ok", "normal", "normal_test", "0")
DEFECTIVE = {"1": "defective"}  # the number that stands for any defect


class CSVListDataset(ListedImagesBase):
    r"""CSV list: `<category>.csv` with the columns path, label and, optionally, mask and split.

    The label `good`, `ok`, `normal` or 0 is that of a good image, 1 that of a defective one, and any other text is the
    type of a defect. The columns of anomalib's tables are known by their names: image_path, label_index, mask_path.
    Commas, semicolons or tabs separate the columns. For the arguments see
    :class:`~reb_pipeline.datasets.layouts.listed.ListedImagesBase`.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.CSVListDataset
          path: data/01_raw
          category: "{category}"
        ```

        The same in Python:

        >>> import fsspec
        >>> from reb_pipeline.datasets import CSVListDataset
        >>> memory = fsspec.filesystem("memory")
        >>> rows = ["path,label,split", "a.png,good,train", "b.png,good,test", "c.png,scratch,test"]
        >>> memory.pipe("/listed/bolt.csv", "\n".join(rows).encode())
        >>> for name in "abc":
        ...     memory.pipe(f"/listed/{name}.png", b"")  # no image is opened here
        >>> dataset = CSVListDataset(path="memory:///listed", category="bolt")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'scratch')]
    """

    endings: ClassVar[tuple[str, ...]] = (".csv",)

    def _parse(self, text: str, name: str) -> list[Entry]:
        try:
            columns, rows = read_rows(text, name)
        except InputError as error:
            raise InputDatasetError(str(error)) from error
        column_of = {
            column: found[0]
            for column, known in COLUMNS.items()
            if (found := [one for one in known if one in columns])
        }
        missing = [column for column in ("path", "label") if column not in column_of]
        if missing:
            header = text.partition("\n")[0].strip()
            raise InputDatasetError(
                f"The first line of '{name}' names no column {' and no '.join(missing)} ({header!r}): begin "
                "the file with a line such as path,label,mask,split."
            )
        entries = []
        for line, row in rows:
            value = {column: row[given].strip() for column, given in column_of.items()}
            if any(value.values()):
                place = f"Line {line} of '{name}'"
                entries.append(_entry(value, place))
        return entries


def _entry(value: dict[str, str], place: str) -> Entry:
    if not value["path"]:
        raise InputDatasetError(f"{place} names no image: give its path, or take the line out.")
    label = value["label"]
    kind = GOOD if label.lower() in GOOD_LABELS else DEFECTIVE.get(label, label)
    return Entry(value["path"], kind, value.get("mask", ""), value.get("split", ""), place)
