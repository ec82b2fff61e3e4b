"""Layout of the manifests of Amazon Lookout for Vision, and of SageMaker Ground Truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from reb_pipeline.datasets.errors import InputDatasetError
from reb_pipeline.datasets.layouts.listed import GOOD, Entry, ListedImagesBase
from reb_pipeline.images.masks import Color

BACKGROUND = "background"
CLASSES = {"normal": GOOD, "anomaly": "anomaly"}  # others are those of unlabelled images
_IMAGE, _METADATA, _MASK = "source-ref", "-metadata", "-ref"
_COLORS = "internal-color-map"


class LookoutForVisionDataset(ListedImagesBase):
    r"""Amazon Lookout for Vision: a manifest `<category>.manifest` or `.jsonl`, one JSON object for each image.

    Read are `source-ref`, the class `normal` or `anomaly` of `anomaly-label-metadata`, and the mask `anomaly-mask-ref`
    with the colours of its `internal-color-map`; the keys of label and mask may have other names, as the service
    allows. An image of another class is unlabelled and not read. A defect has the name of its class if the map has one,
    otherwise "anomaly". For the arguments see :class:`~reb_pipeline.datasets.layouts.listed.ListedImagesBase`.

    Format: Amazon Lookout for Vision, Developer Guide, "Defining JSON lines for image segmentation".

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.LookoutForVisionDataset
          path: data/01_raw
          category: "{category}"
        ```

        The same in Python:

        >>> import fsspec, json
        >>> from reb_pipeline.datasets import LookoutForVisionDataset
        >>> memory = fsspec.filesystem("memory")
        >>> lines = [
        ...     {"source-ref": f"s3://bucket/{name}.png", "label": 1, "label-metadata": {"class-name": kind}}
        ...     for name, kind in (("a", "normal"), ("b", "normal"), ("c", "anomaly"))
        ... ]
        >>> memory.pipe("/lookout/bolt.manifest", "\n".join(map(json.dumps, lines)).encode())
        >>> for name in "abc":
        ...     memory.pipe(f"/lookout/{name}.png", b"")  # no image is opened here
        >>> dataset = LookoutForVisionDataset(path="memory:///lookout", category="bolt")
        >>> [(sample.split, sample.defect_type) for sample in dataset.load().samples]
        [('train', 'good'), ('test', 'good'), ('test', 'anomaly')]
    """

    endings: ClassVar[tuple[str, ...]] = (".manifest", ".jsonl")

    def _parse(self, text: str, name: str) -> list[Entry]:
        entries = []
        for place, record in _records(text, name):
            kind = CLASSES.get(_class(record), "")
            mask, colors = _mask(record)
            if kind not in ("", GOOD) and len(colors) == 1:
                (kind,) = colors
            entries.append(Entry(record[_IMAGE], kind, mask, place=place))
        return entries

    def _defect_colors(self) -> frozenset[Color]:
        return frozenset(
            _color(text, place)
            for _, name, manifest in self._texts()
            for place, record in _records(manifest, name)
            for text in _mask(record)[1].values()
        )


def _records(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """List the JSON objects of a manifest with the places where they are."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            place = f"Line {number} of '{name}'"
            yield place, _record(line, place)


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or not isinstance(record.get(_IMAGE), str):
        raise InputDatasetError(
            f"{place} is no JSON object with {_IMAGE}: a manifest has one on each line, as the service exports it."
        )
    return record


def _described(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """List (key, metadata) of the values that have metadata."""
    for key in record:
        metadata = record.get(f"{key}{_METADATA}")
        if isinstance(metadata, dict):
            yield key, metadata


def _class(record: dict[str, Any]) -> str:
    """Name the class of an image, in lower case; empty if it has none."""
    names = (
        str(metadata.get("class-name", ""))
        for key, metadata in _described(record)
        if not key.endswith(_MASK)
    )
    return next(filter(None, names), "").lower()


def _mask(record: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the address of the mask, and the colour of each class of defects in it."""
    for key, metadata in _described(record):
        classes = metadata.get(_COLORS)
        if key.endswith(_MASK) and isinstance(classes, dict):
            return str(record[key]), {
                str(one.get("class-name", "")): str(one.get("hex-color", ""))
                for one in classes.values()
                if str(one.get("class-name", "")).lower() != BACKGROUND
            }
    return "", {}


def _color(text: str, place: str) -> Color:
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError as error:
        raise InputDatasetError(
            f"{place} has the colour {text!r}: write a hex-color such as #2ca02c."
        ) from error
    return red, green, blue
