"""Service: one model for many clients."""

import threading
from concurrent.futures import CancelledError
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reb_pipeline.calibration.verdicts import UNDECIDED, UNREADABLE, can_flag
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.encoding import finite
from reb_pipeline.service.answers import Answer, Batch, BatchItem, Extras, Health, Model, answer
from reb_pipeline.service.metrics import Metrics
from reb_pipeline.service.settings import ServiceSettings
from reb_pipeline.service.turns import Turns
from reb_pipeline.service.uploads import PixelBudget

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector


class UnscoredError(HTTPException):
    """Refusal of an image that can be read, but whose features or scores are not finite."""


class Service:
    """Inspects uploaded images in turn, and counts verdicts.

    Args:
        inspector: The loaded model; called from several threads if ``settings.workers`` is above one.
        settings: Limits.
    """

    def __init__(self, inspector: "Inspector", settings: ServiceSettings) -> None:
        self._inspector = inspector
        self.settings = settings
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
        threshold = self._inspector.image_threshold
        return Health(
            status="stopping" if self.turns.stopping else "ok",
            can_flag=can_flag(threshold),
            image_threshold=finite(threshold),
            **self.about,
        )

    def model(self) -> Model:
        """Describe the model."""
        calibration = self._inspector.calibration
        threshold = self._inspector.image_threshold
        return Model(
            name=self._inspector.name,
            model_id=self._inspector.model_id,
            written=self._inspector.written,
            can_flag=can_flag(threshold),
            image_threshold=finite(threshold),
            false_alarm_rate=calibration.false_alarm_rate,
            calibration_images=calibration.n_images,
            calibration=calibration.statement(),
        )

    async def inspect(
        self, file: UploadFile, extras: Extras, budget: PixelBudget | None = None
    ) -> Answer:
        """Inspect one image.

        Args:
            file: The file.
            extras: Requested parts of the answer.
            budget: Pixels that the request may still decode; None for those of one request.

        Raises:
            UnscoredError: If the image can be read but its features or scores are not finite.
            HTTPException: If the image is refused, see :func:`~reb_pipeline.service.uploads.decode`.
        """
        budget = budget or PixelBudget(self.settings)

        def work(unwanted: threading.Event) -> Answer:
            image = budget.decode(file, self._value_range)
            if unwanted.is_set():
                raise CancelledError
            return answer(self._inspector, image, extras)

        try:
            found = await self.turns.run(work)
        except HTTPException:
            self.metrics.verdicts.labels(UNREADABLE).inc()
            raise
        except InputError as error:
            self.metrics.verdicts.labels(UNDECIDED).inc()
            raise UnscoredError(422, str(error)) from error
        self.metrics.verdicts.labels(found.verdict).inc()
        self.metrics.p_values.observe(found.p_value)
        return found

    async def inspect_batch(self, files: list[UploadFile], extras: Extras) -> Batch:
        """Inspect images one after the other, so that other requests get their turn in between."""
        results = []
        budget = PixelBudget(self.settings)
        for file in files:
            item: dict[str, Any] = {"filename": file.filename or ""}
            try:
                found = await self.inspect(file, extras, budget)
                item |= {"status": 200, "verdict": found.verdict, "inspection": found}
            except HTTPException as refusal:
                verdict = UNDECIDED if isinstance(refusal, UnscoredError) else UNREADABLE
                item |= {
                    "status": refusal.status_code,
                    "verdict": verdict,
                    "detail": refusal.detail,
                }
            results.append(BatchItem(**item))
        return Batch(results=results)
