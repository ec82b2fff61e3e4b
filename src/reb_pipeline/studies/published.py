"""Published numbers of the paper REB, for comparison with measured ones."""

from importlib.resources import files

import pandas as pd

from reb_pipeline.core.errors import check_known

_TABLES = ("2", "3", "4", "5", "6", "7")


def published(table: str) -> pd.DataFrame:
    """Read one table of the paper REB (arXiv 2308.12577v2), one row per number.

    Values, and categories of MVTec LOCO, are as printed; the spelling of methods is the same in all tables. The paper
    does not state the rule for "per category" (its "Variable K"), nor the K of its rows of ``knn``.

    Args:
        table: Number of the table, "2" to "7".

    Returns:
        The columns, of type str unless another is given; empty if not stated or not applicable:
        ``table``;
        ``benchmark``: mvtec_ad, mvtec_loco or btad;
        ``category``: its name, "mean", "mean of textures" or "mean of objects";
        ``backbone``: as in torchvision;
        ``representation``: imagenet, defectmaker, cutpaste, draem, or defectmaker_a, _b, _c (the rows of Table 5);
        ``detector``: gde, knn, kth_nn, ldknn, ldof, lof_reference, or the name of another method;
        ``n_neighbors``: a number or "per category";
        ``shots``: Int64, number of training images, NA for all;
        ``metric``: image_auroc, pixel_auroc, image_auroc_structural, image_auroc_logical, or image_auroc_loco_mean
        (the mean of the previous two, "Total" in Table 3);
        ``value``: float, percent;
        ``note``: doubts.
        All columns but ``value`` and ``note`` identify a row.

    Raises:
        InputError: For an unknown table.

    Example:
        >>> sorted(set(published("6")["benchmark"]))
        ['mvtec_ad', 'mvtec_loco']
    """
    check_known([table], _TABLES, "Table")
    with (files("reb_pipeline.studies") / "published.csv").open(encoding="utf-8") as file:
        numbers = pd.read_csv(file, dtype=str, keep_default_na=False)
    chosen = numbers[numbers["table"] == table].reset_index(drop=True)
    shots = pd.to_numeric(chosen["shots"]).astype("Int64")
    return chosen.assign(value=chosen["value"].astype(float), shots=shots)
