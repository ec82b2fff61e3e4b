"""Configurations that a study compares; one configuration sets every step from the backbone to the image score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

from reb_pipeline.core.errors import check_known

IMAGENET = "imagenet"  # the representation without fine-tuning
AUTO = "auto"
# Detectors that read pixels, not features; the keys of reb_pipeline.reconstruction.pixel_networks.PIXEL_MODELS.
PIXEL_DETECTORS = ("autoencoder", "variational_autoencoder", "skip_autoencoder")


@dataclass(frozen=True)
class Configuration:
    """Settings of all steps, from the backbone to the image score.

    Attributes:
        backbone: See :func:`reb_pipeline.features.backbones.backbone_spec`.
        representation: ``"imagenet"``, or the name of the synthetic defects that the backbone is fine-tuned on.
        image_size: Side, or height and width, of the network's input in pixels.
        neck: A key of :data:`reb_pipeline.features.neck.NECKS`.
        detector: A key of :data:`reb_pipeline.scoring.patch_scores.SCORERS` or
            :data:`reb_pipeline.detectors.registry.DETECTORS`.
        distance: A key of :data:`reb_pipeline.memory_bank.distances.DISTANCES`.
        coreset_ratio: Share of the memory bank's rows in the coreset.
        light_copies: Copies of every good image in other light, in the memory bank.
        turned_copies: Turned copies of every good image, in the memory bank.
        shots: Number of good images to learn from; None for all.
        seed: Seed of the shots, the coreset and all trainings.
        n_neighbors: K.
        alpha: Weight of the local density, or ``"auto"``.
        form: A key of :data:`reb_pipeline.scoring.ldknn.SCORE_FORMS`.
        image_score: A key of :data:`reb_pipeline.scoring.image_scores.IMAGE_SCORES`.
        normalization: ``"none"`` or ``"position"``, see :mod:`reb_pipeline.scoring.good_scores`.
        global_branch: A key of :data:`reb_pipeline.scoring.global_branch.GLOBAL_BRANCHES`.
        anomaly_map: ``"score"`` or ``"distance"``: what anomaly maps of a memory bank show.
        feature_loss: A key of :data:`reb_pipeline.reconstruction.feature_losses.FEATURE_LOSSES`.
        fusion: A key of :data:`reb_pipeline.reconstruction.fusion.FUSIONS`.
        pixel_loss: A key of :data:`reb_pipeline.reconstruction.pixel_losses.PIXEL_LOSSES`.

    Example:
        >>> defaults = dict.fromkeys(CONFIGURATION_FIELDS)
        >>> configuration = Configuration(**{**defaults, "detector": "ldknn", "n_neighbors": 5})
        >>> configuration.settings()["n_neighbors"]
        5
    """

    backbone: str
    representation: str
    image_size: int | tuple[int, int]
    neck: str
    detector: str
    distance: str
    coreset_ratio: float
    light_copies: int
    turned_copies: int
    shots: int | None
    seed: int
    n_neighbors: int
    alpha: float | str
    form: str
    image_score: str
    normalization: str
    global_branch: str
    anomaly_map: str
    feature_loss: str
    fusion: str
    pixel_loss: str

    def __post_init__(self) -> None:
        if isinstance(self.image_size, list):  # of YAML; a configuration is a key of dictionaries
            object.__setattr__(self, "image_size", tuple(self.image_size))

    def settings(self) -> dict[str, Any]:
        """Convert the configuration to JSON values by field."""
        values = asdict(self)
        if isinstance(self.image_size, tuple):
            values["image_size"] = list(self.image_size)
        return values


CONFIGURATION_FIELDS = [field.name for field in fields(Configuration)]


def expand(
    grids: Iterable[Mapping[str, Sequence[Any]]], defaults: Mapping[str, Any]
) -> list[Configuration]:
    """List the configurations of grids: all combinations of each grid's values, without duplicates.

    Args:
        grids: Name of a field -> values to compare, for each grid; other fields have their default.
        defaults: Value of every field of :class:`Configuration`.

    Returns:
        The configurations in the order of the grids; the last field of a grid changes fastest.

    Raises:
        InputError: If a name in a grid is no field of a configuration.

    Example:
        >>> defaults = {**dict.fromkeys(CONFIGURATION_FIELDS), "detector": "ldknn"}
        >>> found = expand([{"n_neighbors": [1, 5], "alpha": [0.0, 1.0]}], defaults)
        >>> [(one.detector, one.n_neighbors, one.alpha) for one in found]
        [('ldknn', 1, 0.0), ('ldknn', 1, 1.0), ('ldknn', 5, 0.0), ('ldknn', 5, 1.0)]
    """
    configurations: dict[Configuration, None] = {}
    for grid in grids:
        check_known(grid, CONFIGURATION_FIELDS, "Setting of a study")
        for values in product(*grid.values()):
            chosen = {**defaults, **dict(zip(grid, values, strict=True))}
            configurations[Configuration(**chosen)] = None
    return list(configurations)
