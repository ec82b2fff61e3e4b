"""Record of a trained or loaded network; quick to import."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class NetworkWeights:
    """Weights of a network, and the configuration that made them.

    Attributes:
        state: State dict of the network, on the CPU.
        config: JSON values, sufficient to build the network again; if it was trained on stored samples also their
            ``image_ids`` and ``image_hashes``.
    """

    state: Mapping[str, torch.Tensor]
    config: dict[str, Any]

    def learnt_from(self, images: dict[str, list[str]]) -> Self:
        """Add the images that it was trained on to the configuration.

        Args:
            images: ``image_ids`` and ``image_hashes``.
        """
        return replace(self, config={**self.config, **images})

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all tensors, which identifies the weights."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.state.items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()
