"""Configurations of a study that differ only in settings that their detector does not read."""

from collections.abc import Iterable

from reb_pipeline.parameters.configurations import (
    CONFIGURATION_FIELDS,
    PIXEL_DETECTORS,
    Configuration,
)
from reb_pipeline.scoring.image_scores import IMAGE_SCORES
from reb_pipeline.scoring.patch_scores import SCORERS

_ALWAYS = {"detector", "image_size", "shots", "seed"}  # the image size is that of anomaly maps too
_NETWORK = {*_ALWAYS, "backbone", "representation"}
_BANK = {
    *_NETWORK,
    "neck",
    "distance",
    "coreset_ratio",
    "light_copies",
    "turned_copies",
    "image_score",
    "normalization",
    "global_branch",
    "anomaly_map",
}
_LOCAL_DENSITY = {"n_neighbors", "alpha", "form"}
_RECONSTRUCTION = {*_NETWORK, "feature_loss", "fusion", "image_score"}
_READ = {
    "memory_bank": {*_BANK, *_LOCAL_DENSITY},
    "gde": _NETWORK,
    "spade": {*_NETWORK, "neck"},
    "padim": {*_NETWORK, "neck", "image_score"},
    "fused": {*_NETWORK, "neck", "coreset_ratio", "image_score"},
    "hierarchical": {*_NETWORK, "neck", "n_neighbors", "image_score"},
    "feature_reconstruction": _RECONSTRUCTION,
    **{name: {*_ALWAYS, "pixel_loss", "image_score"} for name in PIXEL_DETECTORS},
    "hybrid": {*_BANK, *_LOCAL_DENSITY, *_RECONSTRUCTION},
}


def settings_read(configuration: Configuration) -> set[str]:
    """List the settings that a configuration's detector reads; all for an unknown detector.

    Args:
        configuration: The configuration.
    """
    scorer = SCORERS.get(configuration.detector)
    if scorer is None:
        return _READ.get(configuration.detector, set(CONFIGURATION_FIELDS))
    if scorer.uses_alpha:
        return _BANK | _LOCAL_DENSITY
    image_score = IMAGE_SCORES.get(configuration.image_score)
    reads_neighbors = scorer.searches_all or (image_score and image_score.compares_neighbors)
    return _BANK | {"n_neighbors"} if reads_neighbors else _BANK


def repeats(configurations: Iterable[Configuration]) -> dict[Configuration, str]:
    """Find configurations that would repeat an earlier one under other values, which would say that they do not matter.

    Args:
        configurations: The configurations of a study, in their order.

    Returns:
        The reason, a sentence, of each configuration that is a repetition.
    """
    first: dict[tuple[object, ...], Configuration] = {}
    reasons = {}
    for one in configurations:
        read = settings_read(one)
        key = tuple((name, getattr(one, name)) for name in CONFIGURATION_FIELDS if name in read)
        before = first.setdefault(key, one)
        if before != one:
            changed = [
                name for name in CONFIGURATION_FIELDS if getattr(before, name) != getattr(one, name)
            ]
            earlier = ", ".join(f"{name} = {getattr(before, name)}" for name in changed)
            reasons[one] = (
                f"The detector {one.detector} does not read {', '.join(changed)}, so this repeats the configuration "
                f"with {earlier}: give the detectors that read it a grid of their own."
            )
    return reasons
