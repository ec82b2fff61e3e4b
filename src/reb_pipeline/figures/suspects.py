"""Section of a page with the good images that look unlike all others."""

from html import escape
from typing import Any

import pandas as pd

from reb_pipeline.figures.examples import Images
from reb_pipeline.images.leave_out import YES
from reb_pipeline.images.samples import open_shown
from reb_pipeline.images.shown import shown
from reb_pipeline.inspection.encoding import in_base64, jpeg
from reb_pipeline.inspection.pages import section

SHOWN = 8  # the oddest images
_SIDE = 208  # px: twice the side on the page, for sharp screens
_ABOUT = (
    "The oddest of the good images that were learnt, the oddest first. If a part is defective, others like it will be "
    "missed: move its file out of the good images, or write yes in the column leave_out of the list suspects.csv, give "
    "the list by --set ingestion.leave_out=FILE, and train again. A part that is rare but good should stay. Looking is "
    "needed: a suspect need not be defective, and a defective image need not be among the suspects."
)


def suspects_section(suspects: pd.DataFrame, samples: pd.DataFrame, images: Images) -> str:
    """Format the oddest good images with their p-values, as HTML.

    Args:
        suspects: Result of :func:`reb_pipeline.memory_bank.suspects.rank_suspects`.
        samples: Table of samples, with these images.
        images: Opens the images.
    """
    n_suspects = int((suspects["suspect"] == YES[0]).sum())
    rows = samples.set_index("id")
    figures = "".join(
        _figure(one, rows.loc[one["image"]], images)
        for _, one in suspects.head(SHOWN).iterrows()
        if one["image"] in rows.index
    )
    counted = f"<p>Suspects among {len(suspects)} good images: {n_suspects}.</p>"
    text = f"{counted}<p class='hint'>{_ABOUT}</p><div class='crops'>{figures}</div>"
    return section("Good images that look unlike the others", text)


def _figure(suspect: "pd.Series[Any]", row: "pd.Series[Any]", images: Images) -> str:
    pixels = open_shown(images, str(row["path"]), str(row.get("sha256", "")))
    name = escape(str(suspect["image"]))
    flag = "suspect, " if suspect["suspect"] == YES[0] else ""
    source = in_base64(jpeg(shown(pixels, _SIDE)))
    return (
        f"<figure><img src='data:image/jpeg;base64,{source}' alt=''>"
        f"<figcaption>{name}: {flag}p = {suspect['p_value']:.2g}</figcaption></figure>"
    )
