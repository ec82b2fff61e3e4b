"""Features of a category's images under any backbone and representation."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from reb_pipeline.core.content_cache import Cache, entry, remember_arrays
from reb_pipeline.core.errors import InputError, insist_known
from reb_pipeline.defectmaker.records import SaliencyMaps, SyntheticDefects
from reb_pipeline.detectors.sources.cached import CachedCheckpoint, CachedFeatures
from reb_pipeline.detectors.sources.encoder import Encoder, Picture, picture_of
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.images.collection import ImageCollection
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import good_finetuning, good_training, held_out_good
from reb_pipeline.parameters.configurations import IMAGENET, Cell
from reb_pipeline.parameters.sections import DefectSynthesisParams, FeatureParams
from reb_pipeline.studies.sections import Sections
from reb_pipeline.studies.selection import make_faint

# Groups of images. All but good and test serve choices without labels; "unseen" is good without what is held out.
GOOD, TEST, UNSEEN, HELD_OUT = "good", "test", "unseen", "held_out"
SYNTHETIC, FAINT = "synthetic", "faint"  # defects on the images held out


class CategoryFeatures:
    """Features of a category's images under the representation that a cell asks for.

    Args:
        images: Its images.
        samples: Its table of samples, see :func:`reb_pipeline.images.inventory.usable_samples`.
        sections: Its parameters; a cell overrides some.
        representations: Name of a representation -> what differs from the parameters ``defect_synthesis``.
        cache: Where everything slow is kept.
    """

    def __init__(
        self,
        images: ImageCollection,
        samples: pd.DataFrame,
        sections: Sections,
        representations: dict[str, dict[str, Any]],
        cache: Cache,
    ) -> None:
        self.images = images
        self.samples = samples
        self.sections = sections
        self._representations = representations
        self.cache = cache
        self._backbones: dict[Any, BackboneWeights] = {}
        self._defective: list[tuple[Picture, Picture]] = []  # plain and faint

    def rows(self, cell: Cell, group: str) -> pd.DataFrame:
        """The samples of a group; ``good`` is what the memory bank is made of, as few as the cell's shots."""
        samples = self._samples_of(cell)
        if group == TEST:
            return samples[samples["split"] == "test"]
        return held_out_good(samples) if group == HELD_OUT else good_training(samples)

    def features(self, cell: Cell, group: str) -> CachedFeatures:
        """Features of a group's images."""
        if group in (SYNTHETIC, FAINT):
            pictures = self._defective_pictures(faint=group == FAINT)
        elif group == UNSEEN:
            pictures = self._pictures(self._unseen(cell))
        else:
            pictures = self._pictures(self.rows(cell, group))
        params, device = self._params_of(cell), self.sections.compute.device
        description = f"{self.images.category}: features, {cell.backbone}, {group}"
        encoder = Encoder(params, self._backbone(cell), device)
        return CachedFeatures(pictures, encoder, self.cache, description)

    def _unseen(self, cell: Cell) -> pd.DataFrame:
        samples = self._samples_of(cell)
        unseen = good_finetuning(samples)
        if unseen["id"].isin(held_out_good(samples)["id"]).any():
            msg = (
                f"{self.images.category} has one good image, which cannot be both learned from and held out: "
                f"give another one, or set scoring.alpha to a number."
            )
            raise InputError(msg)
        return unseen

    def _pictures(self, rows: pd.DataFrame) -> list[Picture]:
        return [
            Picture(image_id, digest, partial(self.images.open_image, path))
            for image_id, digest, path in zip(rows["id"], rows["sha256"], rows["path"], strict=True)
        ]

    def _samples_of(self, cell: Cell) -> pd.DataFrame:
        good = good_training(self.samples)
        if cell.shots is None or cell.shots >= len(good):
            return self.samples
        kept = good.sample(cell.shots, random_state=cell.seed)
        return self.samples.drop(good.index.difference(kept.index))

    def _params_of(self, cell: Cell) -> FeatureParams:
        given = self.sections.features
        changes: dict[str, Any] = {"image_size": cell.image_size}
        if cell.backbone != given.backbone:
            changes |= {
                "backbone": cell.backbone,
                "weights": "imagenet",
                "layers": None,
                "width": None,
            }
        return given.model_copy(update=changes)

    def _backbone(self, cell: Cell) -> BackboneWeights:
        seen = cell.backbone, cell.representation, cell.image_size, cell.shots, cell.seed
        if seen not in self._backbones:
            initial = self._initial(self._params_of(cell))
            self._backbones[seen] = (
                initial if cell.representation == IMAGENET else self._finetuned(cell, initial)
            )
        return self._backbones[seen]

    @staticmethod
    def _initial(params: FeatureParams) -> BackboneWeights:
        """The weights as deep as they reach: some detectors look deeper than the tapped layers."""
        from reb_pipeline.features.backbones import load_deepest

        network = load_deepest(
            params.backbone, image_size=params.network_size, weights=params.weights
        ).network
        config = {"backbone": params.backbone, "weights": params.weights, "finetuned": False}
        return BackboneWeights(network.state_dict(), config)

    def _finetuned(self, cell: Cell, initial: BackboneWeights) -> BackboneWeights:
        from reb_pipeline.pipelines.ssl_finetune.nodes import finetune_backbone

        params, defects = self._params_of(cell), self._defects_of(cell)
        changes = {"enabled": True, "seed": cell.seed}
        finetuning = self.sections.finetuning.model_copy(update=changes)
        samples = self._samples_of(cell)
        name = entry(
            "backbones",
            initial=initial.fingerprint,
            good=self._pictures_digest(samples),
            image_size=params.image_size,
            defects=defects.model_dump(),
            side=finetuning.chosen.image_size,
            settings=finetuning.settings(),
        )

        def finetune() -> dict[str, np.ndarray]:
            saliency, synthetic = self._synthesis(samples, params, defects)
            backbone, _ = finetune_backbone(
                samples, self.images, saliency, synthetic,
                CachedCheckpoint(self.cache, name), params, defects, finetuning, self.sections.compute,
            )  # fmt: skip
            return {key: tensor.numpy() for key, tensor in backbone.state.items()}

        import torch

        kept = remember_arrays(self.cache, name, finetune)
        state = {key: torch.from_numpy(array) for key, array in kept.items()}
        return BackboneWeights(state, {**initial.config, "finetuned": True})

    def _defects_of(self, cell: Cell) -> DefectSynthesisParams:
        insist_known(
            [cell.representation], [IMAGENET, *self._representations], "Representation of a study"
        )
        changes = {**self._representations[cell.representation], "seed": cell.seed}
        try:
            return DefectSynthesisParams(**{**self.sections.defects.model_dump(), **changes})
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            msg = f"Representation {cell.representation!r} cannot be made: {reason}."
            raise InputError(msg) from None

    def _defective_pictures(self, *, faint: bool) -> list[Picture]:
        """Held-out defects of the category's own kinds, whatever the network was fine-tuned on."""
        if not self._defective:
            features = self.sections.features
            _, made = self._synthesis(self.samples, features, self.sections.defects)
            paths = self.samples.set_index("id")["path"]
            for index, (image_id, image) in enumerate(
                zip(made.image_ids, made.images, strict=True)
            ):
                good = resize_image(self.images.open_image(paths[image_id]), features.image_size)
                pair = (
                    picture_of(f"{index}", image),
                    picture_of(f"{index}", make_faint(image, good)),
                )
                self._defective.append(pair)
        return [pair[faint] for pair in self._defective]

    def _synthesis(
        self, samples: pd.DataFrame, params: FeatureParams, defects: DefectSynthesisParams
    ) -> tuple[SaliencyMaps, SyntheticDefects]:
        from reb_pipeline.pipelines.defect_synthesis.nodes import (
            estimate_saliency,
            synthesize_defects,
        )

        saliency = estimate_saliency(samples, self.images, defects)
        return saliency, synthesize_defects(samples, self.images, saliency, params, defects)

    @staticmethod
    def _pictures_digest(samples: pd.DataFrame) -> list[str]:
        return [*good_finetuning(samples)["sha256"], "held out", *held_out_good(samples)["sha256"]]
