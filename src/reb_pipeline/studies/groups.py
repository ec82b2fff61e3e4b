"""Groups of a category's images: what detectors learn from, choose by and are tested on."""

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.samples import Samples

GOOD, TEST = "good", "test"
# Of choices without labels: good images that are held out, all other good ones, and defects on those held out.
HELD_OUT, UNSEEN = "held_out", "unseen"
SYNTHETIC, FAINT = "synthetic", "faint"


def few_shots(samples: Samples, shots: int | None, seed: int) -> Samples:
    """Draw some of the good training images; all other samples stay.

    Args:
        samples: The samples of a category.
        shots: Number of good training images to keep; all of them if None or where there are fewer.
        seed: Seed of the draw.
    """
    good = samples.good_training.table
    if shots is None or shots >= len(good):
        return samples
    kept = good.sample(shots, random_state=seed)
    return samples.only(samples.table.drop(good.index.difference(kept.index)))


def samples_of(samples: Samples, group: str) -> Samples:
    """Select the samples of a group, synthetic defects apart.

    Raises:
        InputError: If the group is ``unseen`` and no good image is left that is not held out.
    """
    if group == TEST:
        return samples.test
    if group == HELD_OUT:
        return samples.held_out_good
    return _unseen(samples) if group == UNSEEN else samples.good_training


def learned_from(group: str) -> str:
    """Group of good images that a detector learns from, so that no image is compared with itself."""
    return GOOD if group == TEST else UNSEEN


def _unseen(samples: Samples) -> Samples:
    unseen = samples.good_finetuning
    if set(unseen.ids) & set(samples.held_out_good.ids):
        msg = (
            f"{samples.category} has one good image, which cannot be both learned from and held out: "
            f"give another one, or set scoring.alpha to a number."
        )
        raise InputError(msg)
    return unseen
