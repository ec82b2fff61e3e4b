"""Groups of a category's images: for learning, for the choice without labels, and for tests."""

from reb_pipeline.core.errors import InputError
from reb_pipeline.images.samples import Samples

GOOD, TEST = "good", "test"
# For the choice without labels: held-out good images, all other good images, and defects on the held-out ones.
HELD_OUT, UNSEEN = "held_out", "unseen"
SYNTHETIC, FAINT = "synthetic", "faint"


def few_shots(samples: Samples, shots: int | None, seed: int) -> Samples:
    """Draw some of the good training images; all other samples stay.

    Args:
        samples: The samples of a category.
        shots: Number of good training images to keep; None or a larger number than there are keeps all.
        seed: Seed of the draw.
    """
    good = samples.good_training.table
    if shots is None or shots >= len(good):
        return samples
    kept = good.sample(shots, random_state=seed)
    return samples.only(samples.table.drop(good.index.difference(kept.index)))


def samples_of(samples: Samples, group: str) -> Samples:
    """Select the samples of a group, other than the groups of synthetic defects.

    Raises:
        InputError: If the group is ``unseen`` and all good images are held out.
    """
    if group == TEST:
        return samples.test
    if group == HELD_OUT:
        return samples.held_out_good
    return _unseen(samples) if group == UNSEEN else samples.good_training


def learned_from(group: str) -> str:
    """Return the group to learn from before scoring ``group``, so that no image is compared with itself."""
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
