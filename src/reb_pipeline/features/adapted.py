"""Record of a category's backbone; quick to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.network_weights import NetworkWeights
from reb_pipeline.images.samples import check_learnt

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class BackboneWeights(NetworkWeights):
    """Weights of a category's backbone, and their origin.

    Attributes:
        state: State dict of the network down to the deepest layer that was loaded or trained.
        config: JSON values: the initial ``backbone`` and ``weights``; ``finetuned``; if True, the settings of the
            fine-tuning, and ``image_ids`` and ``image_hashes`` of the images that it learnt from.
    """

    def check_learnt(self, samples: pd.DataFrame) -> None:
        """Check that the fine-tuning learnt from no test or calibration image, and from no image that has changed.

        Raises:
            InputError: See :func:`reb_pipeline.images.samples.check_learnt`.
        """
        again = "run the pipeline ssl_finetune again, and then all that follows it"
        check_learnt("The category's fine-tuned backbone", self.config, samples, again)

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
