"""Service: one model for many clients."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reb_pipeline.calibration.parts import OnPart, View, verdicts_on_parts
from reb_pipeline.calibration.verdicts import DOUBTFUL, UNDECIDED, UNREADABLE, Verdict, can_flag
from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.encoding import finite
from reb_pipeline.inspection.marks import VERDICT_OF, Mark, MarkName
from reb_pipeline.inspection.part_verdicts import of_score, views_of
from reb_pipeline.service.answers import (
    Answer,
    Batch,
    BatchItem,
    Extras,
    Health,
    Model,
    answer,
    described,
)
from reb_pipeline.service.marks import MarksFile
from reb_pipeline.service.metrics import Metrics
from reb_pipeline.service.settings import ServiceSettings
from reb_pipeline.service.turns import Turns
from reb_pipeline.service.uploads import PixelBudget

if TYPE_CHECKING:
    import numpy as np

    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.inspection.results import Inspection

T = TypeVar("T")

logger = logging.getLogger(__name__)


class UnscoredError(HTTPException):
    """Refusal of an image that can be read, but whose features or scores are not finite."""


class Service:
    """Inspects uploaded images in turn, and counts verdicts.

    Args:
        inspector: The loaded model; called from several threads if ``settings.workers`` is above one.
        settings: Limits, and the file of marks.

    Raises:
        InputError: If the file of marks cannot be used.
    """

    def __init__(self, inspector: "Inspector", settings: ServiceSettings) -> None:
        self._inspector = inspector
        self.settings = settings
        self._learnt = [getattr(inspector, name, None) for name in ("value_range", "channels")]
        self.about = {
            "model": inspector.name,
            "model_id": inspector.model_id,
            "version": version("reb-pipeline"),
        }
        self.metrics = Metrics(self.about)
        if inspector.doubtful_threshold is not None:
            self.metrics.verdicts.labels(DOUBTFUL)  # starts at 0, as the other verdicts
        self._marks = MarksFile(settings.marks) if settings.marks else None
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
            doubtful_threshold=self._inspector.doubtful_threshold,
            false_alarm_rate=calibration.false_alarm_rate,
            doubtful_rate=calibration.doubtful_rate,
            calibration_images=calibration.n_images,
            calibration=calibration.statement(),
            stores_marks=self._marks is not None,
        )

    def marks(self) -> list[Mark]:
        """Read the stored marks.

        Raises:
            HTTPException: 404 if no marks are stored, 503 if their file cannot be read.
        """
        with self._marks_file() as file:
            return file.read()

    def put_mark(self, image_sha256: str, name: MarkName) -> Mark:
        """Store a mark with the present time.

        Args:
            image_sha256: SHA-256 of the image's file.
            name: The mark; the verdict follows from it.

        Raises:
            HTTPException: 404 if no marks are stored, 422 for another hash, 503 if their file cannot be written.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            mark = Mark(image_sha256, VERDICT_OF[name], name, when)
        except InputError as error:
            raise HTTPException(422, str(error)) from error
        with self._marks_file() as file:
            file.put(mark)
        return mark

    def remove_mark(self, image_sha256: str) -> None:
        """Remove the mark of an image, if there is one.

        Raises:
            HTTPException: 404 if no marks are stored, 503 if their file cannot be written.
        """
        with self._marks_file() as file:
            file.remove(image_sha256)

    @contextmanager
    def _marks_file(self) -> Iterator[MarksFile]:
        if self._marks is None:
            raise HTTPException(404, "This service stores no marks: start it with --marks FILE.")
        try:
            yield self._marks
        except (InputError, OSError) as error:  # its path is not for clients
            logger.error("%s", error)
            msg = "The service cannot use its file of marks: tell whoever runs it."
            raise HTTPException(503, msg) from error

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
        answered = partial(answer, self._inspector)
        return await self._counted(self._in_one_turn(file, extras, budget, answered))

    async def _in_one_turn(
        self,
        file: UploadFile,
        extras: Extras,
        budget: PixelBudget,
        answered: "Callable[[np.ndarray, Extras, str], Answer]",
    ) -> Answer:

        def work(unwanted: threading.Event) -> Answer:
            image = budget.decode(file, *self._learnt)
            if unwanted.is_set():
                raise CancelledError
            return answered(image, extras, _sha256(file))

        return await self.turns.run(work)

    async def _counted(self, inspection: Awaitable[Answer]) -> Answer:
        """Count the verdict of an inspection, or the image that has none."""
        try:
            found = await _scored(inspection)
        except HTTPException as refusal:
            self.metrics.verdicts.labels(_verdict_without(refusal)).inc()
            raise
        self.metrics.verdicts.labels(found.verdict).inc()
        self.metrics.p_values.observe(found.p_value)
        return found

    async def inspect_batch(self, files: list[UploadFile], extras: Extras) -> Batch:
        """Inspect images one after the other, so that other requests get their turn in between.

        Where parts have several views, all images of a part get the verdict on it.

        A thread beside those that inspect decodes the next image and writes the answer about the last one meanwhile.
        There are as many such threads as workers, so that no more batches have several images in memory.
        """
        budget = PixelBudget(self.settings)
        with self.turns.beside() as thread:
            if thread is None:
                in_turn = partial(
                    self._in_one_turn, extras=extras, budget=budget, answered=self._answer_of_batch
                )
                return self._batch([await self._item(file, in_turn(file)) for file in files])
            in_steps = self._in_steps(thread, extras, budget)
            tasks = [asyncio.create_task(self._item(file, in_steps(file))) for file in files]
            try:
                return self._batch(await asyncio.gather(*tasks))
            finally:
                for task in tasks:
                    task.cancel()

    def _in_steps(
        self, thread: Executor, extras: Extras, budget: PixelBudget
    ) -> Callable[[UploadFile], Awaitable[Answer]]:
        """Create a function that inspects images of a batch, three of them at once in different steps."""
        in_memory, inspecting = asyncio.Semaphore(3), asyncio.Lock()

        def beside(work: Callable[[], T]) -> "asyncio.Future[T]":
            return asyncio.wrap_future(thread.submit(work))

        async def in_steps(file: UploadFile) -> Answer:
            async with in_memory:
                image = await beside(partial(budget.decode, file, *self._learnt))
                async with inspecting:
                    inspection = await self.turns.run(lambda _: self._of_batch(image))
                rest = partial(described, self._inspector, image, inspection, extras)
                return await beside(lambda: rest(_sha256(file)))

        return in_steps

    async def _item(self, file: UploadFile, inspection: Awaitable[Answer]) -> BatchItem:
        item: dict[str, Any] = {"filename": file.filename or ""}
        counted = self._counted if views_of(self._inspector) is None else _scored
        try:
            found = await counted(inspection)
            item |= {"status": 200, "verdict": found.verdict, "inspection": found}
        except HTTPException as refusal:
            verdict = _verdict_without(refusal)
            item |= {"status": refusal.status_code, "verdict": verdict, "detail": refusal.detail}
        return BatchItem(**item)

    def _batch(self, items: Sequence[BatchItem]) -> Batch:
        """Give each file the verdict on its part, and count the parts, where parts have several views."""
        views = views_of(self._inspector)
        if views is None:
            return Batch(results=[*items])
        images = [
            View(one.filename, one.verdict, _reason(one), _hash_in(one.inspection)) for one in items
        ]
        found = verdicts_on_parts(images, views)
        for verdict in {one.part or place: one.verdict for place, one in enumerate(found)}.values():
            self.metrics.verdicts.labels(verdict).inc()
        return Batch(results=[*map(_judged, items, found)])

    def _answer_of_batch(self, image: "np.ndarray", extras: Extras, image_sha256: str) -> Answer:
        return described(self._inspector, image, self._of_batch(image), extras, image_sha256)

    def _of_batch(self, image: "np.ndarray") -> "Inspection":
        """Inspect an image of a batch, which may have the other views of its part."""
        return of_score(self._inspector, self._inspector.inspect(image))


def _reason(item: BatchItem) -> str:
    return item.detail or (item.inspection and item.inspection.reason) or ""


def _hash_in(inspection: Answer | None) -> str:
    return inspection.image_sha256 if inspection else ""


def _judged(item: BatchItem, found: OnPart) -> BatchItem:
    """Put part, verdict and reason into the result of a file."""
    inspection = item.inspection
    changes: dict[str, Any] = {"part": found.part, "verdict": found.verdict}
    if inspection is not None:
        of_part = {"verdict": found.verdict, "reason": found.reason or None}
        changes["inspection"] = inspection.model_copy(update=of_part)
    return item.model_copy(update=changes)


async def _scored(inspection: Awaitable[Answer]) -> Answer:
    """Await an inspection.

    Raises:
        UnscoredError: If the image can be read but its features or scores are not finite.
        HTTPException: If the image is refused.
    """
    try:
        return await inspection
    except InputError as error:
        raise UnscoredError(422, str(error)) from error


def _verdict_without(refusal: HTTPException) -> Verdict:
    """Name the verdict on an image that has no inspection."""
    return UNDECIDED if isinstance(refusal, UnscoredError) else UNREADABLE


def _sha256(file: UploadFile) -> str:
    file.file.seek(0)
    return hashlib.sha256(file.file.read()).hexdigest()
