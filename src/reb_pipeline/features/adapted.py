"""The record of a category's backbone; light to import."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reb_pipeline.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class BackboneWeights:
    """The weights of a category's backbone, and how they came to be.

    Attributes:
        state: State dict of the network down to the deepest layer that was loaded or trained.
        config: JSON values: ``backbone`` and ``weights`` it started from; ``finetuned``; if so, its settings.
    """

    state: Mapping[str, torch.Tensor]
    config: dict[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """What tells these weights from others: a hash of every tensor."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.state.items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def insist_on(self, backbone: str, weights: str) -> None:
        """Check that these weights were made from the ones asked for.

        Raises:
            InputError: If backbone or initial weights differ.
        """
        for name, wanted in (("backbone", backbone), ("weights", weights)):
            if self.config[name] != wanted:
                msg = (
                    f"The category's backbone was made from {name} = {self.config[name]!r}, not {wanted!r}: run the "
                    f"pipeline ssl_finetune again, or set features.{name} back."
                )
                raise InputError(msg)
