"""What every training shares: its history, and the checkpoint that it goes on from after it was cut off."""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 30.0


class Checkpoint(Protocol):
    """Where an unfinished training is kept."""

    def read(self) -> dict[str, Any] | None:
        """What was written last, None if nothing was."""

    def write(self, state: dict[str, Any]) -> None:
        """Replace what was written, entirely or not at all."""


class NoCheckpoint:
    """The checkpoint of a training that always begins anew."""

    def read(self) -> None:
        """Nothing."""

    def write(self, state: dict[str, Any]) -> None:
        """Keep nothing."""


@dataclass
class History:
    """What a training went through.

    Attributes:
        updates: One dictionary an update: ``update`` from 1, ``loss``, ``learning_rate``, and what else was measured.
        validations: One dictionary a validation: ``update``, ``loss``, and what else was measured.
    """

    updates: list[dict[str, float]] = field(default_factory=list)
    validations: list[dict[str, Any]] = field(default_factory=list)


class ResumableRun:
    """The history of a training and its checkpoint.

    Args:
        checkpoint: Where to go on from, and to write to.
        identity: JSON values that tell this training from others; a checkpoint of another one is not used.
        stateful: What has ``state_dict`` and ``load_state_dict``, by name; the checkpoint's state is loaded into it.

    Attributes:
        history: What the training went through so far.
    """

    def __init__(
        self, checkpoint: Checkpoint, identity: dict[str, Any], stateful: Mapping[str, Any]
    ) -> None:
        self._checkpoint = checkpoint
        self._identity = identity
        self._stateful = stateful
        self.history = self._resume()
        self._written = time.monotonic()

    def keep(self, *, is_last: bool) -> None:
        """Write the checkpoint after the last update, and where the one before is old.

        Args:
            is_last: Whether no update is left.
        """
        if is_last or time.monotonic() - self._written > CHECKPOINT_SECONDS:
            states = {name: thing.state_dict() for name, thing in self._stateful.items()}
            self._checkpoint.write(
                {"identity": self._identity, "history": asdict(self.history), **states}
            )
            self._written = time.monotonic()

    def _resume(self) -> History:
        saved = self._checkpoint.read()
        if saved is None:
            return History()
        if saved["identity"] != self._identity:
            logger.info("The checkpoint is one of other data, weights or settings: starting anew.")
            return History()
        for name, thing in self._stateful.items():
            thing.load_state_dict(saved[name])
        history = History(**saved["history"])
        logger.info("Going on after update %d of the checkpoint.", len(history.updates))
        return history
