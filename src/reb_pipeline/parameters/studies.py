"""Typed parameters of comparisons: studies, and candidates of the choice without labels."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, model_validator

from reb_pipeline.core.settings import Settings
from reb_pipeline.parameters.configurations import (
    CONFIGURATION_FIELDS,
    IMAGENET,
    PIXEL_DETECTORS,
    Configuration,
    expand,
)
from reb_pipeline.scoring.patch_scores import SCORERS

Grid = dict[str, list[Any]]
# Detectors that pipelines can run, so that a chosen one can be used; studies compare further detectors.
RUN_BY_PIPELINES = (*SCORERS, "feature_reconstruction", *PIXEL_DETECTORS, "hybrid")
# Settings that a run cannot take over from a candidate.
NOT_CHOSEN = ("backbone", "shots", "seed")
REPRESENTATIONS = (IMAGENET, "defectmaker")  # ssl_finetune.enabled


class StudyParams(Settings):
    """Configurations that a study compares, and the settings of its measurements."""

    grids: list[Grid]
    reference: dict[str, Any]
    published_tables: list[Literal["2", "3", "4", "5", "6", "7"]]
    max_neighbors: int = Field(ge=1, le=1000)
    pixel_metrics: bool
    speed: bool

    def configurations(self, defaults: dict[str, Any]) -> list[Configuration]:
        """Expand the grids; ``defaults`` as of :func:`reb_pipeline.parameters.configurations.expand`."""
        return expand(self.grids, defaults)

    @model_validator(mode="after")
    def _grids_name_settings(self) -> "StudyParams":
        _check_names([self.reference, *self.grids])
        return self


class SelectionParams(Settings):
    """Candidates of the choice without labels."""

    grids: list[Grid]
    oracle_grids: list[Grid]
    max_neighbors: int = Field(ge=1, le=1000)

    def candidates(self, defaults: dict[str, Any]) -> list[Configuration]:
        """Expand the grids; ``defaults`` as of :func:`reb_pipeline.parameters.configurations.expand`."""
        return expand(self.grids, defaults)

    @model_validator(mode="after")
    def _a_run_can_use_the_candidates(self) -> "SelectionParams":
        _check_names([*self.grids, *self.oracle_grids])
        for name in (name for grid in self.grids for name in grid.get("detector", [])):
            if name not in RUN_BY_PIPELINES:
                msg = (
                    f"the grids name the detector {name}, which no pipeline runs: choose between "
                    f"{', '.join(RUN_BY_PIPELINES)}"
                )
                raise ValueError(msg)
        for name in (name for grid in self.grids for name in grid if name in NOT_CHOSEN):
            msg = f"the grids name {name}, which is not chosen: set it for all candidates, outside of the grids"
            raise ValueError(msg)
        for name in (name for grid in self.grids for name in grid.get("representation", [])):
            if name not in REPRESENTATIONS:
                msg = f"the grids name the representation {name}: choose between {' and '.join(REPRESENTATIONS)}"
                raise ValueError(msg)
        return self


class StudiesParams(Settings):
    """Settings of all studies: the tables and figures of the paper, on any data set."""

    benchmark: str
    start: dict[str, Any]
    representation_defects: dict[str, dict[str, Any]]
    arms: StudyParams
    representations: StudyParams
    detectors: StudyParams
    few_shot: StudyParams
    coreset: StudyParams
    neighbors: StudyParams
    alpha: StudyParams
    defaults: StudyParams
    features: StudyParams
    logical: StudyParams
    light: StudyParams
    paradigms: StudyParams

    @model_validator(mode="after")
    def _start_names_settings(self) -> "StudiesParams":
        _check_names([self.start])
        return self


def _check_names(grids: Iterable[dict[str, Any]]) -> None:
    for name in (name for grid in grids for name in grid):
        if name not in CONFIGURATION_FIELDS:
            msg = f"{name} is no setting of a study; known are {', '.join(CONFIGURATION_FIELDS)}"
            raise ValueError(msg)
