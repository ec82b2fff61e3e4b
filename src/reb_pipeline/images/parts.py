"""Parts of several views among samples; samples without the column ``part`` are a part each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from reb_pipeline.images.listed import Sample

PART, GROUP_BY = "part", "group_by"  # columns


def part_names(samples: "pd.DataFrame") -> dict[str, str] | None:
    """Map the id of each image to its part; None where each image is a part."""
    if PART not in samples:
        return None
    return dict(zip(samples["id"], samples[PART], strict=True))


def views_per_part(samples: "pd.DataFrame") -> int:
    """Count the views of the good parts that have most; only these are whole if an image was left out."""
    defective = samples.loc[samples["label"] == 1, PART]
    return int(samples.loc[~samples[PART].isin(defective), PART].value_counts().max())


def has_parts(samples: "Iterable[Sample]") -> bool:
    """Return True if samples are views of parts."""
    return any(getattr(sample, PART, "") for sample in samples)


def count_parts(samples: "Sequence[Sample]") -> Counter[str]:
    """Count the parts of each split; the images where each of them is a part."""
    if not has_parts(samples):
        return Counter(sample.split for sample in samples)
    return Counter(split for split, _ in {(sample.split, sample.part) for sample in samples})
