"""Record of a category's backbone; quick to import."""

from __future__ import annotations

from dataclasses import dataclass

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights


@dataclass(frozen=True, eq=False)
class BackboneWeights(NetworkWeights):
    """Weights of a category's backbone, and their origin.

    Attributes:
        state: State dict of the network down to the deepest layer that was loaded or trained.
        config: JSON values: the initial ``backbone`` and ``weights``; ``finetuned``; if True, the settings of the
            fine-tuning.
    """

    def check_origin(self, backbone: str, weights: str) -> None:
        """Check that these weights were made from the given backbone and initial weights.

        Raises:
            InputError: If either differs.
        """
        for name, wanted in (("backbone", backbone), ("weights", weights)):
            if self.config[name] != wanted:
                msg = (
                    f"The category's backbone was made from {name} = {self.config[name]!r}, not {wanted!r}: run the "
                    f"pipeline ssl_finetune again, or set features.{name} back."
                )
                raise InputError(msg)
