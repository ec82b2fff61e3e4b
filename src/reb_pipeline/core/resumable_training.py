"""Parts that all trainings share: the history, and the checkpoint to continue from after an interruption."""

import io
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 30.0


class Checkpoint(Protocol):
    """Storage of an unfinished training."""

    def read(self) -> dict[str, Any] | None:
        """Read the last state that was written; None if there is none."""

    def write(self, state: dict[str, Any]) -> None:
        """Replace the stored state, entirely or not at all."""


class NoCheckpoint:
    """Checkpoint that stores nothing, so that the training always starts at the beginning."""

    def read(self) -> None:
        """Return None."""

    def write(self, state: dict[str, Any]) -> None:
        """Ignore the state."""


def read_state(data: bytes, name: str) -> dict[str, Any] | None:
    """Read a state that a training wrote; None, with a warning, if it is cut off or damaged.

    Args:
        data: The bytes of the file of PyTorch.
        name: Path or name of the file, for the warning.
    """
    import torch

    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # broken bytes can cause any exception in the unpickler
        reason = str(error).split(". ")[0]  # messages of PyTorch are long
        logger.warning(
            "The checkpoint '%s' is cut off or damaged (%s): it is not used.", name, reason
        )
        return None
    return state if isinstance(state, dict) else None


@dataclass
class History:
    """Measurements of a training, update by update.

    Attributes:
        updates: One dictionary per update: ``update`` from 1, ``loss``, ``learning_rate``, and further measurements.
        validations: One dictionary per validation: ``update``, ``loss``, and further measurements.
    """

    updates: list[dict[str, float]] = field(default_factory=list)
    validations: list[dict[str, Any]] = field(default_factory=list)


class ResumableRun:
    """History of a training that continues from its checkpoint.

    Args:
        checkpoint: Storage to read the last state from, and to write to.
        identity: JSON values that identify the training; the checkpoint of another training is ignored.
        stateful: Objects with ``state_dict`` and ``load_state_dict``, by name; they receive the stored states.

    Attributes:
        history: Measurements so far.
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
        """Write the checkpoint after the last update, and when the previous one is older than 30 seconds.

        Args:
            is_last: True if no update is left.
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
        if saved.get("identity") != self._identity:
            logger.info("The checkpoint is one of other data, weights or settings: starting anew.")
            return History()
        for name, thing in self._stateful.items():
            thing.load_state_dict(saved[name])
        history = History(**saved["history"])
        logger.info("Going on after update %d of the checkpoint.", len(history.updates))
        return history
