"""The images of any folder as a collection: good parts of another day, parts to inspect."""

from pathlib import PurePosixPath

from reb_pipeline.datasets.image_collection import ImageCollection, Sample
from reb_pipeline.loose_images import list_images


def loose_images(path: str, category: str | None = None) -> ImageCollection:
    """List the images of a folder and of all folders below it, hidden ones left out; none is opened.

    Args:
        path: Path or URL (any fsspec file system) of the folder.
        category: What the collection is called, the folder's name without it.

    Returns:
        One sample an image, sorted. Its id is its path relative to the folder, with the extension, because two files
        may differ in nothing else. Nothing is known of it, so it stands as a good one of the split ``calibration``.

    Raises:
        InputError: The folder is missing, cannot be listed, or holds no image.
    """
    filesystem, paths = list_images(path)
    samples = [Sample(image, image, "calibration", 0, "good") for image in paths]
    name = PurePosixPath(filesystem.path).name if category is None else category
    return ImageCollection(filesystem.fs, filesystem.path, name, samples, [], {})
