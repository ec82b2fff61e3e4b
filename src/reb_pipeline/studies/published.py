"""The numbers of the paper REB, to set measured ones beside."""

from importlib.resources import files

import pandas as pd

from reb_pipeline.core.errors import check_known

_TABLES = ("2", "3", "4", "5", "6", "7")


def published(table: str) -> pd.DataFrame:
    """One table of the paper REB (arXiv 2308.12577v2), a row a number.

    Values, and categories of MVTec LOCO, are as printed; the spelling of methods is the same in all tables. The paper
    does not say how it chose "per category" (its "Variable K"), nor which K its rows of ``knn`` have.

    Args:
        table: Number of the table, "2" to "7".

    Returns:
        The columns, str unless said otherwise and empty where not stated or not applicable:
        ``table``;
        ``benchmark``: mvtec_ad, mvtec_loco or btad;
        ``category``: its name, "mean", "mean of textures" or "mean of objects";
        ``backbone``: as in torchvision;
        ``representation``: imagenet, defectmaker, cutpaste, draem, or defectmaker_a, _b, _c: the three rows of Table 5;
        ``detector``: gde, knn, kth_nn, ldknn, ldof, lof_reference, or the name of another method;
        ``n_neighbors``: a number or "per category";
        ``shots``: Int64, training images, NA where all;
        ``metric``: image_auroc, pixel_auroc, image_auroc_structural, image_auroc_logical, or image_auroc_loco_mean:
        the mean of the latter two, Table 3's "Total";
        ``value``: float, percent;
        ``note``: doubts.
        All but value and note identify a row.

    Raises:
        InputError: For an unknown table.
    """
    check_known([table], _TABLES, "Table")
    with (files("reb_pipeline.studies") / "published.csv").open(encoding="utf-8") as file:
        numbers = pd.read_csv(file, dtype=str, keep_default_na=False)
    chosen = numbers[numbers["table"] == table].reset_index(drop=True)
    shots = pd.to_numeric(chosen["shots"]).astype("Int64")
    return chosen.assign(value=chosen["value"].astype(float), shots=shots)
