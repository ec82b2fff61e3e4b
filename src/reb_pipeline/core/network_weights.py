"""Record of a trained or loaded network; quick to import."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class NetworkWeights:
    """Weights of a network, and the configuration that made them.

    Attributes:
        state: State dict of the network, on the CPU.
        config: JSON values, sufficient to build the network again.
    """

    state: Mapping[str, torch.Tensor]
    config: dict[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all tensors, which identifies the weights."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.state.items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()
