"""Tables in Parquet that Kedro-Viz can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets.pandas import ParquetDataset

if TYPE_CHECKING:
    from kedro_datasets._typing import TablePreview


class TableDataset(ParquetDataset):
    """Kedro's Parquet dataset, whose preview also shows columns of lists, such as mask paths."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """First rows of the table, everything but numbers as text.

        Args:
            nrows: how many rows to show at most.
        """
        table = self.load().head(nrows)
        as_text = table.select_dtypes(exclude="number").columns
        return table.astype(dict.fromkeys(as_text, str)).to_dict(orient="split")
