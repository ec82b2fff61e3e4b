"""Settings of the extraction of patch features; quick to import."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.settings import Settings, one_of
from reb_pipeline.core.sizes import SIDES, shape_of, size_of
from reb_pipeline.images.even_light import AS_IS, LIGHTS
from reb_pipeline.images.polygons import CORNERS, Share, has_area

QUICKEST = (
    "openvino",
    "onnxruntime",
)  # what the engine ``auto`` tries before PyTorch, the quickest first

if TYPE_CHECKING:
    from reb_pipeline.features.adapted import BackboneWeights
    from reb_pipeline.images.empty_field import EmptyField
    from reb_pipeline.images.region import Region

Pixels = Annotated[int, Field(ge=32, le=16384)]


class FeatureSettings(Settings):
    """Settings of the extraction of patch features.

    Example:
        >>> settings = FeatureSettings(backbone="resnet18", image_size=1024, tile_size=512)
        >>> settings.neck, settings.network_size
        ('paper', 512)
    """

    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    layers: list[str | int] | None = None
    # Side of a square, or height and width.
    image_size: Pixels | Annotated[list[Pixels], Field(min_length=2, max_length=2)] = 256
    # Side of the good photos that a number in image_size is the length of; None where it is that of a square.
    keep_aspect: Annotated[str, one_of(SIDES)] | None = None
    neck: Literal["combined", "reference", "paper"] = "paper"
    width: int | None = Field(default=None, ge=1, le=8192)
    unit_length: bool | None = None
    engine: Literal["auto", "torch", "onnxruntime", "openvino", "openvino_bf16"] = "torch"
    tile_size: Pixels | None = None
    tile_overlap: int = Field(default=64, ge=0, le=16384)
    batch_size: int = Field(default=16, ge=1, le=4096)
    # Path of a mask, polygons of (x, y) in shares of width and height, or "found"; a dictionary once it was found.
    region: str | list[list[tuple[Share, Share]]] | dict[str, Any] | None = None
    light: Annotated[str, one_of(LIGHTS)] = AS_IS
    empty_field: str | None = None  # path of a photo of the empty field, or of a folder of them

    @field_validator("image_size", mode="wrap")
    @classmethod
    def _number_or_height_and_width(
        cls, value: Any, validate: ValidatorFunctionWrapHandler
    ) -> int | list[int]:
        try:
            return size_of(*shape_of(validate(value)))
        except ValidationError as error:  # has an error for each allowed type
            msg = "Input should be the side of a square or [height, width], from 32 to 16384 pixels each"
            raise ValueError(msg) from error

    @field_validator("keep_aspect")
    @classmethod
    def _of_a_number(cls, keep_aspect: str | None, values: ValidationInfo) -> str | None:
        if keep_aspect is not None and isinstance(values.data.get("image_size"), list):
            msg = "features.image_size gives height and width, which keep an aspect by themselves: give it one number"
            raise ValueError(msg)
        return keep_aspect

    @field_validator("region", mode="wrap")
    @classmethod
    def _mask_or_polygons(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            region = validate(value)
        except ValidationError:  # has an error for each allowed type; the user needs one sentence
            region = []
        is_list = isinstance(region, list)
        if region == [] or isinstance(region, dict) or (is_list and not all(map(has_area, region))):
            msg = f"Input should be the path of a mask, found, or {CORNERS}"
            raise ValueError(msg)
        return region

    @property
    def looked_at(self) -> "Region | None":
        """Region of interest; None for the whole image.

        Raises:
            InputError: If its mask cannot be used, or it is still to be found.
        """
        from reb_pipeline.images.region import FOUND, Region

        if self.region is None or isinstance(self.region, dict):
            return Region.of_json(self.region)
        if self.region == FOUND:
            msg = (
                "features.region = found stands for a region that a training finds in its good images, and there is "
                "none here: give a mask or polygons."
            )
            raise InputError(msg)
        return Region.of(self.region)

    @property
    def shading(self) -> "EmptyField | None":
        """Light over the field of view that images are corrected by; None for none.

        Raises:
            InputError: If the photos of the empty field cannot be used.
        """
        from reb_pipeline.images.empty_field import EmptyField

        return None if self.empty_field is None else EmptyField.of(self.empty_field)

    def with_region(self, region: "Region | None") -> Self:
        """Copy the settings with another region of interest; None for the whole image."""
        values = None if region is None else region.as_json(self.image_size)
        return self.model_copy(update={"region": values})

    def as_learnt(self, extractor: Mapping[str, Any]) -> Self:
        """Take the region that was found in good images from the settings that a memory bank was made with.

        Args:
            extractor: See :attr:`reb_pipeline.memory_bank.bank.MemoryBank.extractor`.

        Raises:
            InputError: If the bank was made with none that was found.
        """
        from reb_pipeline.images.region import FOUND, OTHER_REGION, Region

        if self.region != FOUND:
            return self
        region = Region.of_json(extractor.get("region"))
        if region is None or not region.is_found:
            raise InputError(OTHER_REGION)
        return self.model_copy(update={"region": extractor["region"]})

    @property
    def network_size(self) -> int | list[int]:
        """Size in pixels of the network's input: the whole image, or a tile of it.

        Raises:
            InputError: If the size is still to be taken from photos.
        """
        if self.keep_aspect is not None:
            msg = (
                f"features.keep_aspect = {self.keep_aspect} stands for a size that a run takes from the aspect of its "
                f"good photos, and there are none here: give features.image_size = [height, width]."
            )
            raise InputError(msg)
        height, width = shape_of(self.image_size)
        tile = self.tile_size or max(height, width)
        return size_of(min(tile, height), min(tile, width))

    @property
    def images_at_once(self) -> int:
        """Images that are extracted together; one, if its tiles are."""
        return self.batch_size if self.network_size == self.image_size else 1

    def provenance(self, backbone: "BackboneWeights") -> dict[str, Any]:
        """List everything that determines the features, as JSON values; a hash stands for the weights.

        Raises:
            InputError: If the category's weights were made from another backbone or other initial weights, the mask of
                the region or the photos of the empty field cannot be used.
        """
        from reb_pipeline.features.backbones import compares_directions

        backbone.check_origin(self.backbone, self.weights)
        settings = self.model_dump(exclude={"batch_size", "keep_aspect"})
        unit_length = compares_directions(self.backbone, self.unit_length)
        region, shading = self.looked_at, self.shading
        return {
            **settings,
            "weights": backbone.fingerprint,
            "unit_length": unit_length,
            "region": None if region is None else region.as_json(self.image_size),
            "empty_field": None if shading is None else shading.as_json(),
        }
