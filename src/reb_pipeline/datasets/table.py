"""Tables in Parquet that Kedro-Viz can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets.pandas import ParquetDataset

if TYPE_CHECKING:
    from kedro_datasets._typing import TablePreview


class TableDataset(ParquetDataset):
    """Kedro's Parquet dataset, whose preview also shows columns of lists, such as mask paths."""

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
