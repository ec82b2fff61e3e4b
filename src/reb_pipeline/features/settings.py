"""Settings of the extraction of patch features; quick to import."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from reb_pipeline.core.settings import Settings

if TYPE_CHECKING:
    from reb_pipeline.features.adapted import BackboneWeights


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
    image_size: int = Field(default=256, ge=32)
    neck: Literal["combined", "reference", "paper"] = "paper"
    width: int | None = Field(default=None, ge=1)
    unit_length: bool | None = None
    engine: Literal["torch", "openvino", "openvino_bf16"] = "torch"
    tile_size: int | None = Field(default=None, ge=32)
    tile_overlap: int = Field(default=64, ge=0)
    batch_size: int = Field(default=16, ge=1)

    @property
    def network_size(self) -> int:
        """Side in pixels of the network's input: the whole image, or a tile of it."""
        return min(self.tile_size or self.image_size, self.image_size)

    def provenance(self, backbone: "BackboneWeights") -> dict[str, Any]:
        """List everything that determines the features, as JSON values; a hash stands for the weights.

        Raises:
            InputError: If the category's weights were made from another backbone or other initial weights.
        """
        from reb_pipeline.features.backbones import compares_directions

        backbone.check_origin(self.backbone, self.weights)
        settings = self.model_dump(exclude={"batch_size"})
        unit_length = compares_directions(self.backbone, self.unit_length)
        return {**settings, "weights": backbone.fingerprint, "unit_length": unit_length}
