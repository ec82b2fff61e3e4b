"""Rows of a list of images, before any is opened; quick to import."""

from dataclasses import dataclass

SPLITS = ("train", "calibration", "test")


@dataclass(frozen=True)
class Sample:
    """One image of a category.

    Attributes:
        id: Path below the category's folder without extension, unique within the category.
        path: Path relative to the data root, with "/" between its parts; a URL if the file is outside the data root.
        split: One of :data:`SPLITS`.
        label: 0 good, 1 anomalous.
        defect_type: "good" for good parts, else the layout's name of the defect.
        mask_paths: Paths of the defect's masks relative to the data root; empty without masks.
        part: Part that the image is a view of; empty where each image is a part.
    """

    id: str
    path: str
    split: str
    label: int
    defect_type: str
    mask_paths: tuple[str, ...] = ()
    part: str = ""


@dataclass(frozen=True)
class UnavailableImages:
    """Stand-in for the images of a missing category, in studies.

    Attributes:
        category: Name of the category.
        reason: Reason why it is missing, one sentence.
    """

    category: str
    reason: str
