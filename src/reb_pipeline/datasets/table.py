"""Dataset of tables in Parquet with a preview in Kedro-Viz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from kedro_datasets.pandas import ParquetDataset

from reb_pipeline.core.text_lists import to_text
from reb_pipeline.datasets.arguments import PlainArguments

if TYPE_CHECKING:
    import pandas as pd
    from kedro_datasets._typing import TablePreview


class TableDataset(PlainArguments, ParquetDataset):
    """Kedro's Parquet dataset with a preview.

    Mask paths and mean features are JSON text; lists in older tables are converted when they are loaded.

    Example:
        An entry of the catalog:

        ```yaml
        samples:
          type: reb_pipeline.datasets.TableDataset
          filepath: data/03_primary/samples.parquet
          versioned: true
        ```

        The same in Python:

        >>> import pandas as pd
        >>> from reb_pipeline.datasets import TableDataset
        >>> dataset = TableDataset(filepath="memory:///samples.parquet")
        >>> dataset.save(pd.DataFrame({"id": ["good/000"], "label": [0]}))
        >>> dataset.preview()["data"]
        [['good/000', 0]]
    """

    def load(self) -> pd.DataFrame:
        """Load the table; lists in older tables become JSON text."""
        table = super().load()
        for name in table.columns[table.dtypes == "object"]:
            table[name] = table[name].map(_plain)
        return table

    def save(self, data: pd.DataFrame) -> None:
        """Save a table; in a column of numbers and text, all become text, as Parquet has one type per column."""
        from pandas.api.types import infer_dtype

        mixed = [
            name
            for name in data.columns[data.dtypes == "object"]
            if infer_dtype(data[name]).startswith("mixed-integer")
        ]
        text = {name: data[name].map(str, na_action="ignore") for name in mixed}
        super().save(data.assign(**text))

    def preview(self, nrows: int = 5) -> TablePreview:
        """Show the first rows of the table: numbers rounded to four digits, all other values as text.

        Args:
            nrows: Largest number of rows.
        """
        table = self.load().head(nrows)
        for name in table.select_dtypes("float").columns:
            table[name] = [float(f"{value:.4g}") for value in table[name]]
        as_text = table.select_dtypes(exclude="number").columns
        return table.astype(dict.fromkeys(as_text, str)).to_dict(orient="split")


def _plain(value: Any) -> Any:
    """Convert a list, which Parquet returns as an array, to JSON text; return other values unchanged."""
    return to_text(value) if isinstance(value, np.ndarray) else value
