"""Service: one model for many clients."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reb_pipeline.service.answers import Answer, Batch, BatchItem, Extras, Health, answer
from reb_pipeline.service.metrics import Metrics
from reb_pipeline.service.settings import ServiceSettings
from reb_pipeline.service.turns import Turns
from reb_pipeline.service.uploads import decode

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector


class Service:
    """Inspects uploaded images in turn, and counts verdicts.

    Args:
        inspector: The loaded model; called from several threads if ``settings.workers`` is above one.
        settings: Limits.
    """

    def __init__(self, inspector: "Inspector", settings: ServiceSettings) -> None:
        self._inspector = inspector
        self._settings = settings
        self._value_range = getattr(inspector, "value_range", None)
        self.about = {
            "model": inspector.name,
            "model_id": inspector.model_id,
            "version": version("reb-pipeline"),
        }
        self.metrics = Metrics(self.about)
        self.turns = Turns(settings.workers, settings.queue, self.metrics)

    def health(self) -> Health:
        """Get the state of the service."""
        return Health(status="stopping" if self.turns.stopping else "ok", **self.about)

    async def inspect(self, file: UploadFile, extras: Extras) -> Answer:
        """Inspect one image.

        Raises:
            HTTPException: If the image is refused, see :func:`~reb_pipeline.service.uploads.decode`.
        """

        def work() -> Answer:
            image = decode(file, self._settings.max_pixels, self._value_range)
            return answer(self._inspector, image, extras)

        try:
            found = await self.turns.run(work)
        except HTTPException:
            self.metrics.verdicts.labels("refused").inc()
            raise
        self.metrics.verdicts.labels(found.verdict).inc()
        self.metrics.p_values.observe(found.p_value)
        return found

    async def inspect_batch(self, files: list[UploadFile], extras: Extras) -> Batch:
        """Inspect images one after the other, so that other requests get their turn in between."""
        results = []
        for file in files:
            item = BatchItem(filename=file.filename or "", status=200)
            try:
                item.inspection = await self.inspect(file, extras)
            except HTTPException as refusal:
                item.status, item.detail = refusal.status_code, refusal.detail
            results.append(item)
        return Batch(results=results)
