"""Set of composed images with logical and structural defects; imports no heavy package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.settings import DefectSynthesisSettings, LogicalSetSettings

if TYPE_CHECKING:
    from reb_pipeline.defectmaker.composition import Composer
    from reb_pipeline.defectmaker.fills import Donor
    from reb_pipeline.images.packed import PackedImages
    from reb_pipeline.images.samples import Samples

GOOD, STRUCTURAL = "good", "structural"
SHOWN = 2  # images of each kind in the gallery
FEWEST_PHOTOS = 4  # two to learn from, two to test with


@dataclass(frozen=True)
class LogicalSet:
    """Composed images: good ones to learn from, and test images with their defects.

    Attributes:
        images: uint8 [images, side, side, 3] RGB.
        masks: Changed pixels, bool [images, side, side]; empty for good images.
        splits: ``"train"`` or ``"test"`` of each image.
        kinds: ``"good"``, ``"structural"``, or a key of :data:`reb_pipeline.defectmaker.logical.LOGICAL_KINDS`.
        photos: Ids of the good photos that the images to learn from, and the test images, are composed of.
        seed: Seed of the set.
    """

    images: np.ndarray
    masks: np.ndarray
    splits: list[str]
    kinds: list[str]
    photos: dict[str, list[str]]
    seed: int

    def shown(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Select the first test images of each kind: kind, image and mask of each, kind by kind."""
        chosen = [
            [n for n, (one, split) in enumerate(pairs) if one == kind and split == "test"][:SHOWN]
            for pairs in [list(zip(self.kinds, self.splits, strict=True))]
            for kind in dict.fromkeys(self.kinds)
        ]
        return [
            (self.kinds[n], self.images[n], self.masks[n]) for numbers in chosen for n in numbers
        ]

    def collection(self, category: str) -> PackedImages:
        """Open the set as the images of a category, ids ``<split>/<kind>/<number>``, without masks."""
        import fsspec

        from reb_pipeline.images.collection import Sample
        from reb_pipeline.images.packed import PackedImages

        names = [
            f"{split}/{kind}/{number:04d}"
            for number, (split, kind) in enumerate(zip(self.splits, self.kinds, strict=True))
        ]
        samples = [
            Sample(name, f"{name}.png", split, int(kind != GOOD), kind)
            for name, split, kind in zip(names, self.splits, self.kinds, strict=True)
        ]
        pixels = {sample.path: image for sample, image in zip(samples, self.images, strict=True)}
        return PackedImages(fsspec.filesystem("memory"), "/composed", category, samples, pixels)


def compose_logical_set(
    samples: Samples, synthesis: DefectSynthesisSettings, settings: LogicalSetSettings
) -> LogicalSet:
    """Compose the set from good training photos: those of train and test images are different ones.

    Args:
        samples: The samples of a category; each photo shows one part.
        synthesis: The saliency method, which finds the part on a photo, and its source.
        settings: Sizes and seed.

    Raises:
        InputError: If there are fewer than four photos, or the saliency method cannot be used.
    """
    from reb_pipeline.defectmaker.composition import Composer

    donors, photo_ids = (
        _donors(samples.good_training, synthesis, settings.side),
        samples.good_training.ids,
    )
    if len(donors) < FEWEST_PHOTOS:
        msg = (
            f"{samples.category}: {len(donors)} good photos are too few for a composed set, whose test images are of "
            f"other photos than those to learn from: give at least {FEWEST_PHOTOS}."
        )
        raise InputError(msg)
    order = np.random.default_rng(settings.seed).permutation(len(donors))
    halves = {"train": order[::2], "test": order[1::2]}
    composers = {
        split: Composer(
            [donors[n] for n in numbers], settings.rows, settings.columns, settings.side
        )
        for split, numbers in halves.items()
    }
    made = list(_images(composers, settings))
    return LogicalSet(
        images=np.stack([image for _, _, image, _ in made]),
        masks=np.stack([mask for *_, mask in made]),
        splits=[split for split, *_ in made],
        kinds=[kind for _, kind, *_ in made],
        photos={split: [photo_ids[n] for n in sorted(own)] for split, own in halves.items()},
        seed=settings.seed,
    )


def _donors(good: Samples, synthesis: DefectSynthesisSettings, side: int) -> list[Donor]:
    """Open good photos, resized, each with its salient part."""
    from reb_pipeline.defectmaker.fills import Donor
    from reb_pipeline.defectmaker.saliency import or_whole_image, saliency_estimator
    from reb_pipeline.images.resize import resize_image

    estimate = saliency_estimator(synthesis.saliency, synthesis.saliency_source)
    paths = dict(zip(good.ids, good.table["path"], strict=True))
    donors = []
    for image_id, photo in good.stream("photos of parts"):
        image = resize_image(photo, side)
        donors.append(Donor(image, or_whole_image(estimate(paths[image_id], image))[0]))
    return donors


def _images(
    composers: dict[str, Composer], settings: LogicalSetSettings
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Compose all images: split, kind, image and mask of each."""
    from reb_pipeline.defectmaker.fills import Donor
    from reb_pipeline.defectmaker.logical import LOGICAL_KINDS, make_logical_defect
    from reb_pipeline.defectmaker.maker import REB_KINDS, DefectMaker
    from reb_pipeline.defectmaker.streams import Purpose

    seed, test = settings.seed, composers["test"]
    for split, n_images in (("train", settings.train), ("test", settings.good)):
        for number in range(n_images):
            image = composers[split].compose(seed, number, f"{split}/{GOOD}").image
            yield split, GOOD, image, np.zeros(image.shape[:2], bool)
    for kind in LOGICAL_KINDS:
        for number in range(settings.per_kind):
            scene = test.compose(seed, number, f"test/{kind}")
            defect = make_logical_defect(scene, kind, seed, number)
            yield "test", kind, defect.image, defect.mask
    for number in range(settings.per_kind):
        scene = test.compose(seed, number, f"test/{STRUCTURAL}")
        parts = np.any(scene.parts, axis=0)
        maker = DefectMaker([Donor(scene.image, parts)], purpose=Purpose.LOGICAL)
        made = maker.make(scene.image, parts, REB_KINDS[number % len(REB_KINDS)], seed, number)
        yield "test", STRUCTURAL, made.image, made.mask
