"""Training in a notebook: what ``reb train`` does, as a function."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reb_pipeline.commands import train

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector


class Detector:
    """Detector of defects that learns from photos of good parts of one category."""

    @staticmethod
    def fit(
        photos: str | os.PathLike[str],
        output: str | os.PathLike[str] | None = None,
        false_alarm_rate: float = train.DEFAULT_RATE,
        settings: Sequence[str] = (),
        *,
        max_ms: float | None = None,
        max_mb: float | None = None,
        doubtful_rate: float | None = None,
    ) -> "Inspector":
        """Train a model by ``reb train`` and load it; with the same photos and settings it is only loaded.

        Args:
            photos: Folder of photos of good parts, see ``reb train --help``.
            output: Folder of the model; None for the name of ``photos`` with ``.model``, in the working directory.
            false_alarm_rate: Share of good parts that may be flagged.
            settings: Other settings, such as ``"features.image_size=320"``.
            max_ms: Milliseconds that an inspection may take on this machine; None for any.
            max_mb: Size in MB that the model may have; None for any.
            doubtful_rate: Share of good parts that may be doubtful or flagged; None calls no part doubtful.

        Returns:
            The inspector of new photos.

        Raises:
            InputError: If the photos or a setting cannot be used.
        """
        from reb_pipeline.inspection.inspector import Inspector

        model = Path(output) if output else Path(f"{Path(photos).resolve().name}.model")
        learn = train.command.callback
        assert learn is not None  # click's types allow none
        learn(
            photos=os.fspath(photos),
            false_alarm_rate=false_alarm_rate,
            doubtful_rate=doubtful_rate,
            output=str(model),
            max_ms=max_ms,
            max_mb=max_mb,
            settings=tuple(settings),
        )
        return Inspector.load(model)
