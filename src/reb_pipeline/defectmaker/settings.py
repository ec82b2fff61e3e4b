"""Settings of synthetic defects; imports no heavy package."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from reb_pipeline.core.settings import Seed, Settings

if TYPE_CHECKING:
    from reb_pipeline.defectmaker.fills import TextureFolder
    from reb_pipeline.defectmaker.maker import DefectKind

Shape = Literal["bezier", "bezier_scar", "bezier_clump", "rect", "rect_scar", "perlin"]
Fill = Literal["cut_paste", "noise", "texture"]
Contrast = Annotated[float, Field(ge=1, le=255)]  # grey levels


class DefectSynthesisSettings(Settings):
    """Settings of saliency maps and synthetic defects."""

    saliency: Literal["whole_image", "spectral_residual", "grabcut", "onnx", "folder"] = (
        "whole_image"
    )
    saliency_source: str | None = None  # path of the model or of the maps
    shapes: list[Shape] = Field(default=["bezier", "bezier_scar", "bezier_clump"])
    fills: list[Fill] = Field(default=["cut_paste", "noise"])
    texture_folder: str | None = None
    per_kind: int = Field(default=20, ge=1, le=10_000)  # held-out defects of each kind
    seed: Seed = 0

    @model_validator(mode="after")
    def _sources_given(self) -> "DefectSynthesisSettings":
        if self.saliency in ("onnx", "folder") and not self.saliency_source:
            msg = f"saliency = {self.saliency} needs saliency_source, the path of the model or of the maps"
            raise ValueError(msg)
        if "texture" in self.fills and not self.texture_folder:
            msg = "the fill texture needs texture_folder, a folder of images"
            raise ValueError(msg)
        if not self.shapes or not self.fills:
            msg = "shapes and fills need at least one name each"
            raise ValueError(msg)
        return self

    def kinds(self) -> list["DefectKind"]:
        """List all kinds of defects, each shape with each fill, in the order of their labels."""
        from reb_pipeline.defectmaker.maker import DefectKind

        return [DefectKind(shape, fill) for fill in self.fills for shape in self.shapes]

    def textures(self, *, held_out: bool = False) -> "TextureFolder | None":
        """Open images for the fill ``texture``: those to train on, or those held out; None if no folder is set."""
        from reb_pipeline.defectmaker.fills import TextureFolder

        return TextureFolder(self.texture_folder).part(held_out) if self.texture_folder else None


class LogicalSetSettings(Settings):
    """Settings of the composed set; the seed freezes it."""

    side: int = Field(default=256, ge=64, le=4096)  # px
    rows: int = Field(default=3, ge=2, le=32)
    columns: int = Field(default=3, ge=2, le=32)
    train: int = Field(default=100, ge=2, le=10_000)  # good images to learn from
    good: int = Field(default=50, ge=1, le=10_000)  # good test images
    per_kind: int = Field(
        default=20, ge=1, le=10_000
    )  # test images of each logical kind, and structural ones
    seed: Seed = 0


class DetectionProbabilitySettings(Settings):
    """Sizes and contrasts of the defects that the probability of detection is measured with."""

    enabled: bool = False
    draws: int = Field(default=100, ge=20, le=10_000)  # defects of each kind and contrast
    shortest: float = Field(default=0.02, gt=0, le=1)  # shares of the side of an image
    longest: float = Field(default=0.3, gt=0, le=1)
    contrasts: list[Contrast] = Field(default=[20, 40], min_length=1, max_length=20)
    pixel_size_mm: float | None = Field(default=None, gt=0, le=1000)
    seed: Seed = 0

    @model_validator(mode="after")
    def _lengths_in_order(self) -> "DetectionProbabilitySettings":
        if self.shortest >= self.longest:
            msg = f"shortest = {self.shortest:g} must be below longest = {self.longest:g}"
            raise ValueError(msg)
        if len(set(self.contrasts)) < len(self.contrasts):
            msg = "contrasts must differ from each other"
            raise ValueError(msg)
        return self
