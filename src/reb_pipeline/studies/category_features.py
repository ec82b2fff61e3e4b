"""Features of a category's images by the network of a configuration."""

from dataclasses import replace
from typing import Any

from reb_pipeline.core.content_cache import Cache, entry, library_versions, remember_json
from reb_pipeline.core.device import torch_device
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.detectors.sources.cached import CachedFeatures
from reb_pipeline.detectors.sources.encoder import Encoder
from reb_pipeline.detectors.sources.images import SourceImage
from reb_pipeline.features.adapted import BackboneWeights
from reb_pipeline.features.settings import QUICKEST
from reb_pipeline.images.resize import resize_image
from reb_pipeline.images.samples import Samples
from reb_pipeline.parameters.configurations import Configuration
from reb_pipeline.studies.groups import FAINT, SYNTHETIC, few_shots, samples_of
from reb_pipeline.studies.representations import backbone_of, synthesize
from reb_pipeline.studies.sections import StudySections
from reb_pipeline.studies.selection import make_faint


class CategoryFeatures:
    """Features of a category's images, by configuration and group of images.

    Args:
        samples: The samples of the category with the hashes of their files, see
            :func:`reb_pipeline.images.inventory.usable_samples`.
        sections: Parameters of the category; a configuration replaces some of them.
        cache: Cache of features and fine-tuned backbones.
    """

    def __init__(self, samples: Samples, sections: StudySections, cache: Cache) -> None:
        self.category = samples.category
        self.sections = sections
        self.cache = cache
        self._samples = samples
        self._backbones: dict[Any, BackboneWeights] = {}
        # Plain and faint defects by ids of the good images that they are on.
        self._defective: dict[tuple[str, ...], list[tuple[SourceImage, SourceImage]]] = {}

    def samples(self, configuration: Configuration, group: str) -> Samples:
        """Select the samples of a group (:mod:`reb_pipeline.studies.groups`) from the configuration's shots.

        Raises:
            InputError: If the group is empty, because the only good image is held out.
        """
        return samples_of(self._shots(configuration), group)

    def of(self, configuration: Configuration, group: str) -> CachedFeatures:
        """Create the features of a group's images.

        Raises:
            InputError: If the images or the network cannot be used.
        """
        if group in (SYNTHETIC, FAINT):
            images = self._defective_images(self._shots(configuration), faint=group == FAINT)
        else:
            images = SourceImage.of_samples(self.samples(configuration, group))
        description = f"{self.category}: features, {configuration.backbone}, {group}"
        return CachedFeatures(images, self._encoder(configuration), self.cache, description)

    def _shots(self, configuration: Configuration) -> Samples:
        return few_shots(self._samples, configuration.shots, configuration.seed)

    def _encoder(self, configuration: Configuration) -> Encoder:
        own = self.sections.under(configuration)
        seen = (
            configuration.backbone,
            configuration.representation,
            configuration.image_size,
            configuration.shots,
            configuration.seed,
        )
        if seen not in self._backbones:
            self._backbones[seen] = backbone_of(own, self._shots(configuration), self.cache)
        encoder = Encoder(own.features, self._backbones[seen], own.compute.device)
        return self._with_engine(encoder) if own.features.engine == "auto" else encoder

    def _with_engine(self, encoder: Encoder) -> Encoder:
        """Replace ``auto`` by the engine, which is remembered so that stored features need no conversion."""
        settings = encoder.settings
        name = entry(
            "engines",
            settings=settings.model_dump(mode="json"),
            weights=encoder.backbone.fingerprint,
            device=str(torch_device(encoder.device)),
            **library_versions(*QUICKEST),
        )
        engine = remember_json(self.cache, name, lambda: encoder.tapping(None).engine)
        return replace(encoder, settings=settings.model_copy(update={"engine": engine}))

    def _defective_images(self, samples: Samples, *, faint: bool) -> list[SourceImage]:
        """Make defects on held-out good images by the category's settings, independent of the fine-tuning."""
        held_out = tuple(samples.held_out_good.ids)
        if held_out not in self._defective:
            size = self.sections.features.image_size
            _, made = synthesize(self.sections, samples, Purpose.SELECTION)
            sources = samples.named(made.image_ids).stream()
            pairs = self._defective[held_out] = []
            for number, (defective, (_, good)) in enumerate(zip(made.images, sources, strict=True)):
                faded = make_faint(defective, resize_image(good, size))
                pair = [SourceImage.of_array(f"{number}", image) for image in (defective, faded)]
                pairs.append((pair[0], pair[1]))
        return [pair[faint] for pair in self._defective[held_out]]
