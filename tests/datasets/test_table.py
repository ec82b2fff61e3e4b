import json

import numpy as np
import pandas as pd

from reb_pipeline.datasets import TableDataset


def test_preview_of_lists_and_numbers_is_json(tmp_path):
    table = pd.DataFrame(
        {
            "id": ["a", "b"],
            "mask_paths": [["x.png", "y.png"], []],
            "score": [1.23456789, np.nan],
            "n": [1, 2],
        }
    )
    dataset = TableDataset(filepath=str(tmp_path / "table.parquet"))
    dataset.save(table)

    preview = dataset.preview(nrows=1)

    assert json.loads(json.dumps(preview)) == {
        "index": [0],
        "columns": ["id", "mask_paths", "score", "n"],
        "data": [["a", "['x.png' 'y.png']", 1.235, 1]],
    }
    assert list(dataset.load()["mask_paths"].iloc[0]) == ["x.png", "y.png"]
