"""Tables whose cells are texts and numbers alone, so that a file or a database of any kind keeps them."""

import sqlite3
from contextlib import closing

import pandas as pd
from pandas.api.types import infer_dtype


def check_plain(table: pd.DataFrame) -> None:
    """Check that no column is of lists or other objects, and that SQLite gives the table back as it was."""
    assert len(table)
    assert [name for name in table if infer_dtype(table[name]).startswith("mixed")] == []
    with closing(sqlite3.connect(":memory:")) as connection:
        table.to_sql("one", connection, index=False)
        read = pd.read_sql("select * from one", connection)
    pd.testing.assert_frame_equal(read.astype(table.dtypes), table)
