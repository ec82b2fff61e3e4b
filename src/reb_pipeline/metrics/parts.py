"""Scores of parts, which several images show."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def scores_of_parts(scores: "pd.DataFrame", per_part: int | None = None) -> "pd.DataFrame":
    """Reduce a table of scored images to one row a part: its view of the highest score.

    A part is anomalous if any of its images is. Good parts that lack a view are left out, because they are flagged less
    often, and parts with more views than good ones, about which no verdict is given.

    Args:
        scores: One row an image: part, label, defect_type, image_score, ….  A table without the column ``part`` has one
            image a part, and stays as it is.
        per_part: Number of views of a part; None for that of the good parts that have most.

    Returns:
        Rows of ``scores``, with label and defect type of the part.

    Example:
        >>> import pandas as pd
        >>> from reb_pipeline.metrics.parts import scores_of_parts
        >>> scores = pd.DataFrame({
        ...     "id": ["1a", "1b", "2a", "2b"], "part": ["1", "1", "2", "2"], "label": [0, 0, 0, 1],
        ...     "defect_type": ["good", "good", "good", "dent"], "image_score": [0.1, 0.3, 0.9, 0.2],
        ... })
        >>> scores_of_parts(scores)[["id", "label", "defect_type", "image_score"]].to_numpy().tolist()
        [['1b', 0, 'good', 0.3], ['2a', 1, 'dent', 0.9]]
    """
    if "part" not in scores or not len(scores):
        return scores
    scores = scores.reset_index(drop=True)
    by_part = scores.groupby("part", sort=False)
    anomalous = scores[scores["label"] == 1].drop_duplicates("part").set_index("part")
    worst = scores.loc[by_part["image_score"].idxmax()]
    kinds = worst["part"].map(anomalous["defect_type"]).astype(object)
    worst = worst.assign(
        label=kinds.notna().astype(scores["label"].dtype),
        defect_type=kinds.where(kinds.notna(), worst["defect_type"]),
    )
    n_views, is_good = worst["part"].map(by_part.size()), worst["label"] == 0
    whole = per_part or n_views[is_good].max()
    is_judged = (n_views == whole) | (~is_good & ~(n_views > whole))
    return worst[is_judged].reset_index(drop=True)
