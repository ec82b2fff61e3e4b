"""Typed parameters of what is compared: studies, and candidates of the choice without labels."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from reb_pipeline.parameters.sections import Section

if TYPE_CHECKING:
    from reb_pipeline.parameters.configurations import Cell


class StudyParams(Section):
    """What a study compares."""

    grids: list[dict[str, list[Any]]]
    reference: dict[str, Any]
    published_tables: list[Literal["2", "3", "4", "5", "6", "7"]]
    max_neighbors: int = Field(ge=1)
    pixel_metrics: bool
    speed: bool

    def cells(self, defaults: dict[str, Any]) -> "list[Cell]":
        """Everything to measure; ``defaults`` as of :func:`reb_pipeline.parameters.configurations.expand`."""
        from reb_pipeline.parameters.configurations import expand

        return expand(self.grids, defaults)

    @model_validator(mode="after")
    def _grids_name_settings(self) -> "StudyParams":
        from reb_pipeline.parameters.configurations import CELL_FIELDS

        for name in {*self.reference, *(name for grid in self.grids for name in grid)}:
            if name not in CELL_FIELDS:
                msg = f"{name} is no setting of a study; known are {', '.join(CELL_FIELDS)}"
                raise ValueError(msg)
        return self


class SelectionParams(Section):
    """Which candidates are chosen from without labels."""

    grids: list[dict[str, list[Any]]]
    oracle_grids: list[dict[str, list[Any]]]
    max_neighbors: int = Field(ge=1)

    def cells(self, defaults: dict[str, Any]) -> "list[Cell]":
        """The candidates; ``defaults`` as of :func:`reb_pipeline.parameters.configurations.expand`."""
        from reb_pipeline.parameters.configurations import expand

        return expand(self.grids, defaults)


class StudiesParams(Section):
    """Comparisons: the tables and figures of the paper, on any data set."""

    benchmark: str
    representation_defects: dict[str, dict[str, Any]]
    arms: StudyParams
    representations: StudyParams
    detectors: StudyParams
    few_shot: StudyParams
    coreset: StudyParams
    neighbors: StudyParams
    alpha: StudyParams
    paradigms: StudyParams
