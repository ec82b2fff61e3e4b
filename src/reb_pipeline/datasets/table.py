"""Tables in Parquet that Kedro-Viz can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from kedro_datasets.pandas import ParquetDataset

from reb_pipeline.core.text_lists import to_text

if TYPE_CHECKING:
    import pandas as pd
    from kedro_datasets._typing import TablePreview


class TableDataset(ParquetDataset):
    """Kedro's Parquet dataset with a preview; lists in tables written before come as JSON text.

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
        """Read the table; mask paths and mean features were lists before they were JSON text."""
        table = super().load()
        for name in table.columns[table.dtypes == "object"]:
            table[name] = table[name].map(_plain)
        return table

    def preview(self, nrows: int = 5) -> TablePreview:
        """First rows of the table: numbers rounded to four digits, everything else as text.

        Args:
            nrows: how many rows to show at most.
        """
        table = self.load().head(nrows)
        for name in table.select_dtypes("float").columns:
            table[name] = [float(f"{value:.4g}") for value in table[name]]
        as_text = table.select_dtypes(exclude="number").columns
        return table.astype(dict.fromkeys(as_text, str)).to_dict(orient="split")


def _plain(value: Any) -> Any:
    """A list, which Parquet gives as an array, as JSON text; all else as it is."""
    return to_text(value) if isinstance(value, np.ndarray) else value
