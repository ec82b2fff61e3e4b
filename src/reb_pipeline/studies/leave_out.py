"""Choice of a default by other data sets: on each data set, the configuration that is best on all others.

A configuration that is chosen by the test labels of the data sets it is reported on looks better than it is. So one
data set at a time is left out: the choice is made on the others and reported on the one that is left out. Categories
of one data set are left out together, because they are alike.
"""

import pandas as pd

CHOSEN = "chosen on the other data sets"
BEST = "best of the table (oracle)"


def leave_one_data_set_out(values: pd.DataFrame, data_sets: dict[str, str]) -> pd.DataFrame:
    """Compare the configuration that is chosen on the other data sets with the best one, for each category.

    The choice is the configuration with the highest mean over the other data sets, where each data set counts once
    and not each category; among equals the first.

    Args:
        values: Metric of each configuration (rows) on each category (columns), higher is better.
        data_sets: Name of the data set of each category; at least two data sets.

    Returns:
        One row per category: ``data_set``, ``configuration`` (the chosen one), its ``value``, ``oracle`` (the highest
        value), and ``regret``, the difference of the two.

    Raises:
        ValueError: If there is only one data set.

    Example:
        >>> values = pd.DataFrame({"pill": [90, 95], "bottle": [99, 98], "cookie": [80, 85]}, index=["a", "b"])
        >>> found = leave_one_data_set_out(values, {"pill": "mvtec", "bottle": "mvtec", "cookie": "cookie"})
        >>> found["configuration"].tolist(), found["regret"].tolist()
        (['b', 'b', 'b'], [0, 1, 0])
    """
    names = pd.Series(data_sets).loc[values.columns]
    if names.nunique() < 2:
        msg = f"One data set ({names.iloc[0]}) cannot be left out: give the tables of at least two."
        raise ValueError(msg)
    by_data_set = values.T.groupby(names).mean().T
    chosen = {name: by_data_set.drop(columns=name).mean(axis=1).idxmax() for name in names.unique()}
    rows = [
        {
            "category": category,
            "data_set": data_sets[category],
            "configuration": chosen[data_sets[category]],
            "value": values[category].to_dict()[chosen[data_sets[category]]],
            "oracle": values[category].max(),
        }
        for category in values.columns
    ]
    table = pd.DataFrame(rows).set_index("category")
    return table.assign(regret=table["oracle"] - table["value"])


def overview(values: pd.DataFrame, data_sets: dict[str, str]) -> pd.DataFrame:
    """Describe each configuration over all categories.

    Args:
        values: As for :func:`leave_one_data_set_out`.
        data_sets: As for :func:`leave_one_data_set_out`.

    Returns:
        One row per configuration, the best first: ``mean`` over the data sets, ``worst`` category, ``regret`` (mean
        over the categories of the difference to the best configuration of each), and the value on each category.
    """
    names = pd.Series(data_sets).loc[values.columns]
    mean = values.T.groupby(names).mean().mean()
    regret = (values.max() - values).mean(axis=1)
    described = pd.DataFrame({"mean": mean, "worst": values.min(axis=1), "regret": regret})
    return described.join(values).sort_values("mean", ascending=False, kind="stable")
