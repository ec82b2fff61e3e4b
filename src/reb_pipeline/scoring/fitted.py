"""Settings of scores that are fitted on good images."""

from typing import TYPE_CHECKING, Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.alpha import fit_alpha
from reb_pipeline.scoring.good_scores import MIN_IMAGES
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.scoring.settings import AUTO, ScoringSettings

if TYPE_CHECKING:
    from reb_pipeline.scoring.detector import MemoryBankDetector


# Settings that are fitted on good images -> the value with which nothing is fitted.
OFF = {"normalization": "none", "zones": "null", "global_branch": "none"}


def searched(
    own: NearestPatches | None, setting: str, detector: "MemoryBankDetector"
) -> NearestPatches:
    """Check that good images were searched for what a setting fits on them.

    Args:
        own: See :meth:`reb_pipeline.scoring.detector.MemoryBankDetector.of`.
        setting: Name of the setting.
        detector: The detector, without what is to be fitted.

    Raises:
        InputError: If they were not, another coreset was searched, or none of the bank's images.
    """
    if own is None:
        value = getattr(detector.scoring, setting)
        named = value if isinstance(value, str) else ", ".join(value)
        msg = (
            f"scoring.{setting} = {named} is fitted on good images that are compared with the others: give them, or "
            f"set scoring.{setting} to {OFF[setting]}."
        )
        raise InputError(msg)
    detector.density.check_searched(own)
    if not own.image_ids and len(detector.bank.image_ids) >= MIN_IMAGES:
        msg = (
            f"The bank's good images were not compared with the others when scoring left nothing to fit: run the "
            f"pipeline ldknn_density again, or set scoring.{setting} to {OFF[setting]}."
        )
        raise InputError(msg)
    return own


def needs_fitted_alpha(scoring: ScoringSettings) -> bool:
    """Return True if alpha must be fitted on good images."""
    return SCORERS[scoring.scorer].uses_alpha and scoring.alpha == AUTO


def needs_good_images(scoring: ScoringSettings) -> bool:
    """Return True if scores are fitted on good images: alpha, scores by position, zones, or the global branch."""
    fitted = (scoring.normalization, scoring.global_branch)
    is_fitted = scoring.zones is not None or any(name != "none" for name in fitted)
    return needs_fitted_alpha(scoring) or is_fitted


def resolve_alpha(
    scoring: ScoringSettings, density: LocalDensity, own: NearestPatches | None
) -> float:
    """Determine alpha as a number: fitted for ``auto``, 0 for scorers that do not use it.

    Args:
        scoring: Settings of the scores.
        density: Local density of the coreset rows.
        own: See :meth:`reb_pipeline.scoring.detector.MemoryBankDetector.of`; needed for ``alpha = auto``.

    Raises:
        InputError: If alpha must be fitted, and ``own`` is missing, has too few images or another coreset.
    """
    if not SCORERS[scoring.scorer].uses_alpha:
        return 0.0
    if scoring.alpha != AUTO:
        return float(scoring.alpha)
    if own is None:
        msg = (
            "scoring.alpha = auto is fitted on good images that are compared with the others: give them, or give a "
            "number."
        )
        raise InputError(msg)
    density.check_searched(own)
    return fit_alpha(**arguments_of_alpha(scoring, density, own))


def arguments_of_alpha(
    scoring: ScoringSettings, density: LocalDensity, own: NearestPatches
) -> dict[str, Any]:
    """Collect the arguments of :func:`fit_alpha`."""
    return {
        "squared_distance": own.squared_distances[..., 0],
        "rows": own.rows[..., 0],
        "density": density,
        "n_neighbors": scoring.n_neighbors,
        "form": scoring.form,
    }
