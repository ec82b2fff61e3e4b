import json

import numpy as np
import pandas as pd
import pytest

from reb_pipeline.datasets import TableDataset

MASKS = ['["x.png", "ü y.png"]', "[]"]


@pytest.fixture
def dataset(tmp_path):
    return TableDataset(filepath=str(tmp_path / "table.parquet"))


def test_preview_of_text_and_numbers_is_json(dataset):
    table = pd.DataFrame(
        {"id": ["a", "b"], "mask_paths": MASKS, "score": [1.23456789, np.nan], "n": [1, 2]}
    )
    dataset.save(table)

    preview = dataset.preview(nrows=1)

    assert json.loads(json.dumps(preview)) == {
        "index": [0],
        "columns": ["id", "mask_paths", "score", "n"],
        "data": [["a", MASKS[0], 1.235, 1]],
    }
    pd.testing.assert_frame_equal(dataset.load(), table)


def test_lists_in_a_table_of_before_come_as_text(dataset):
    features = [np.array([0.1, -2e-05], np.float32), None]
    before = pd.DataFrame({"mask_paths": [["x.png", "ü y.png"], []], "mean_features": features})
    before.to_parquet(dataset._filepath)

    table = dataset.load()

    assert table["mask_paths"].tolist() == MASKS
    assert table["mean_features"][0] == "[0.1, -2e-05]"
    assert table["mean_features"].isna().tolist() == [False, True]
