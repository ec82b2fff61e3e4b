"""Settings of scores that are fitted on good images."""

from typing import Any

from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.scoring.alpha import fit_alpha
from reb_pipeline.scoring.patch_scores import SCORERS
from reb_pipeline.scoring.settings import AUTO, ScoringSettings


def without_good_images(setting: str, value: str) -> InputError:
    """Create the error of a setting that is fitted on good images, where there are none."""
    return InputError(
        f"scoring.{setting} = {value} is fitted on good images that are compared with the others: give them, or set "
        f"scoring.{setting} to none."
    )


def needs_fitted_alpha(scoring: ScoringSettings) -> bool:
    """Return True if alpha must be fitted on good images."""
    return SCORERS[scoring.scorer].uses_alpha and scoring.alpha == AUTO


def needs_good_images(scoring: ScoringSettings) -> bool:
    """Return True if the scores are fitted on good images: alpha, scores by position, or the global branch."""
    fitted = (scoring.normalization, scoring.global_branch)
    return needs_fitted_alpha(scoring) or any(name != "none" for name in fitted)


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
