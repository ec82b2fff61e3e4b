"""Size of the images of a category from the aspect of its good photos."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.evenly import spread
from reb_pipeline.core.settings import validated
from reb_pipeline.core.sizes import has_aspect, with_side
from reb_pipeline.features.settings import FeatureSettings

if TYPE_CHECKING:
    from reb_pipeline.images.collection import ImageCollection

PHOTOS = 12  # that are opened


def in_own_aspect(settings: FeatureSettings, images: "ImageCollection") -> FeatureSettings:
    """Copy settings with the height and width that keep the aspect of a category's good training photos.

    Args:
        settings: The settings; those that keep no aspect are returned as they are.
        images: The images of the category.

    Raises:
        InputError: If no photo can be read, photos differ in their aspect, or a side would be too long.
    """
    if settings.keep_aspect is None:
        return settings
    assert isinstance(settings.image_size, int)  # by their validator
    shape = _shape(settings, images)
    size = with_side(shape, settings.image_size, settings.keep_aspect, _step(settings))
    changed = {**settings.model_dump(), "image_size": size, "keep_aspect": None}
    return validated(FeatureSettings, changed, "features")


def _shape(settings: FeatureSettings, images: "ImageCollection") -> tuple[int, ...]:
    """Return height and width of the first good training photo that can be read; others have its aspect."""
    good = [one.path for one in images.samples if one.split == "train" and one.label == 0]
    shapes = list(_shapes(images, [good[n] for n in spread(len(good), PHOTOS)]))
    what = f"features.keep_aspect = {settings.keep_aspect} of {images.category}"
    if not shapes:
        msg = f"{what} needs a good training photo, and none can be read: replace them."
        raise InputError(msg)
    first = shapes[0]
    for shape in shapes[1:]:
        if not has_aspect(shape, first[1] / first[0]):
            msg = (
                f"{what} needs good photos of one aspect, and there are some of {first[1]} x {first[0]} and of "
                f"{shape[1]} x {shape[0]} pixels: give features.image_size = [height, width], or photos of one aspect."
            )
            raise InputError(msg)
    return first


def _shapes(images: "ImageCollection", paths: Iterable[str]) -> Iterable[tuple[int, ...]]:
    for path in paths:
        try:
            yield images.open_image(path).shape[:2]
        except InputError:  # the audit names it
            continue


def _step(settings: FeatureSettings) -> int:
    """Return the stride of the coarsest map that the network taps, in pixels; a transformer's patch."""
    from reb_pipeline.features.backbones import load_backbone
    from reb_pipeline.features.tiles import coarsest_stride

    side = 224  # of which all backbones have whole patches
    loaded = load_backbone(
        settings.backbone, image_size=side, layers=settings.layers, weights=settings.weights
    )
    return coarsest_stride(loaded, side)
