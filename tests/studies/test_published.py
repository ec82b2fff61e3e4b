import pandas as pd
import pytest

from reb_pipeline.core.errors import InputError
from reb_pipeline.studies.published import published

TEXTURES = ["carpet", "grid", "leather", "tile", "wood"]
TABLES = ["2", "3", "4", "5", "6", "7"]
METHOD = ["backbone", "representation", "detector", "n_neighbors"]


def value(table, **keys):
    """The one value of a table with these keys."""
    rows = published(table)
    for column, key in keys.items():
        rows = rows[rows[column] == key]
    assert len(rows) == 1
    return rows["value"].item()


def test_some_values():
    reb = {"representation": "defectmaker", "detector": "ldknn"}
    image = {"category": "mean", "metric": "image_auroc"}
    assert value("2", backbone="resnet18", n_neighbors="5", **reb, **image) == 99.3
    assert (
        value("2", backbone="wide_resnet50_2", n_neighbors="per category", **reb, **image) == 99.5
    )
    assert (
        value("2", backbone="resnet18", detector="PatchCore", **{**image, "category": "pill"})
        == 90.5
    )
    resnet101 = {"backbone": "wide_resnet101_2", "n_neighbors": "45", "category": "mean"}
    assert value("3", **resnet101, metric="image_auroc_logical") == 85.8
    assert value("3", **resnet101, metric="image_auroc_loco_mean") == 88.6
    assert value("3", **resnet101, metric="pixel_auroc") == 74.4
    assert value("3", detector="THFR", category="mean") == 86.0
    assert value("4", category="02", metric="pixel_auroc", **reb) == 95.6
    assert value("5", representation="cutpaste", detector="gde") == 94.5
    assert (
        value("6", benchmark="mvtec_loco", representation="imagenet", detector="lof_reference")
        == 78.3
    )
    assert value("7", shots=16, metric="image_auroc", **reb) == 96.2
    assert value("7", shots=16, detector="DifferNet") == 87.3


def test_tables_have_all_rows():
    assert [len(published(table)) for table in TABLES] == [358, 168, 72, 18, 20, 71]


def test_types():
    few_shot = published("7")
    assert few_shot["shots"].dtype == "Int64"
    assert sorted(few_shot["shots"].unique()) == [1, 2, 5, 10, 16, 20, 50]
    full = published("4")
    assert full["shots"].isna().all()
    assert set(full["category"]) == {"01", "02", "03", "mean"}
    assert set(full.loc[full["detector"] == "ldknn", "n_neighbors"]) == {"57"}


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_there_twice(table):
    rows = published(table)
    assert not rows.duplicated([name for name in rows if name not in ("value", "note")]).any()
    assert rows["value"].between(50, 100).all()


def test_means_of_mvtec_ad_recompute():
    # The paper's own methods and PatchCore; of the others some are off, which their notes say.
    rows = published("2").query("metric == 'image_auroc' and representation != ''")
    wide = rows.pivot_table(index=METHOD, columns="category", values="value")
    categories = wide.drop(columns=["mean", "mean of textures", "mean of objects"])
    assert categories.shape == (12, 15)
    objects = categories.columns.difference(TEXTURES)
    # Both are printed with one decimal, and some means are cut instead of rounded.
    assert wide["mean"].to_numpy() == pytest.approx(categories.mean(axis=1).to_numpy(), abs=0.1)
    for name, part in (("mean of textures", TEXTURES), ("mean of objects", objects)):
        means = categories[part].mean(axis=1).to_numpy()
        assert wide[name].to_numpy() == pytest.approx(means, abs=0.1)


def test_totals_of_mvtec_loco_are_means_of_structural_and_logical():
    rows = published("3").query("category == 'mean' and detector != 'THFR'")
    wide = rows.pivot_table(index=METHOD, columns="metric", values="value")
    halves = (wide["image_auroc_structural"] + wide["image_auroc_logical"]) / 2
    assert len(wide) == 24
    assert wide["image_auroc_loco_mean"].to_numpy() == pytest.approx(halves.to_numpy(), abs=0.051)


def test_notes_tell_which_means_do_not_recompute():
    rows = pd.concat([published("2"), published("4")])
    rows = rows[~rows["category"].isin(["mean of textures", "mean of objects"])]
    keys = ["table", *METHOD, "metric"]
    means = rows[rows["category"] == "mean"].set_index(keys)
    computed = rows[rows["category"] != "mean"].groupby(keys)["value"].mean()
    both = means.join(computed.rename("computed"), how="inner")
    off = (both["value"] - both["computed"]).abs() > 0.1
    assert (both["note"].str.contains("the categories give") == off).all()
    assert off.sum() == 6  # FYD, CFlow and DifferNet; PaDiM twice and REB's pixels on BTAD
    assert "the categories give 96.67" in set(both.loc[off, "note"])


def test_unknown_table():
    with pytest.raises(InputError, match="Table '8' is unknown"):
        published("8")
