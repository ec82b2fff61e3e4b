"""Dataset of HTML pages with a preview in Kedro-Viz."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kedro_datasets.text import TextDataset

from reb_pipeline.datasets.arguments import PlainArguments

if TYPE_CHECKING:
    from kedro_datasets._typing import HTMLPreview

_BODY = re.compile(r"<body>(.*)</body>", re.DOTALL)
# Scripts, which Kedro-Viz removes, and the elements that they fill.
_SCRIPTED = re.compile(r"<(script|style|noscript|main|dialog)\b.*?</\1>", re.DOTALL)


class PageDataset(PlainArguments, TextDataset):
    """Kedro's text dataset for HTML pages, with a preview."""

    def preview(self) -> HTMLPreview:
        """Show the page without its scripts and their elements: titles, texts, tables and images."""
        page = self.load()
        body = _BODY.search(page)
        text = _SCRIPTED.sub("", body[1] if body else page)
        # Kedro-Viz would interpret underscores and line breaks as Markdown.
        return " ".join(text.replace("_", " ").split())  # type: ignore[return-value,unused-ignore]
