"""Compare the gradients of both losses, and held-out synthetic defects of two origins.

    python benchmarks/finetuning.py losses
    python benchmarks/finetuning.py defects [--tiles FOLDER] [--params name=value ...]

``losses``: the gradient that reaches the backbone under either loss, on the same batch and weights. ``defects``: image
AUROC of held-out good images against synthetic defects on them, before and after the fine-tuning, by distance to the
nearest of randomly drawn patches of other good images: once with the draws that the training gets too, once with the
validation's own. Solar cells of ELPV mono, or magnetic tiles. Prints Markdown tables.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml

from reb_pipeline.core.errors import print_input_error
from reb_pipeline.datasets import ELPVDataset, MagneticTileDataset
from reb_pipeline.defectmaker.good_images import GoodImages
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.defectmaker.synthesis import estimate_saliency, synthesize_defects
from reb_pipeline.features.backbones import load_deepest
from reb_pipeline.features.extractor import PatchExtractor, extract_patches
from reb_pipeline.finetuning.adapt import finetune_backbone
from reb_pipeline.finetuning.network import ProxyNetwork
from reb_pipeline.finetuning.task import CachedImages, SyntheticTask
from reb_pipeline.finetuning.training import LOSSES
from reb_pipeline.images.samples import Samples
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.loader import CONF_SOURCE, LOADER_ARGS, ProjectConfigLoader
from reb_pipeline.scoring.image_scores import block_max_score
from reb_pipeline.search.flat import nearest_of_all
from reb_pipeline.studies.sections import StudySections

SPLIT = {"train": 0.6, "calibration": 0.1, "seed": 0}  # that of both environments
BANK_ROWS = 10_000
IMAGES_PER_UPDATE, HEAD_UPDATES, HEAD_RATE = 8, 25, 0.03


@dataclass(frozen=True)
class Category:
    """Samples and parameters of a category."""

    samples: Samples
    sections: StudySections

    @classmethod
    def open(cls, tiles: str | None, params: dict[str, Any]) -> "Category":
        """Open the magnetic tiles, or the solar cells."""
        images = (
            MagneticTileDataset(path=tiles, category="magnetic_tile", split=SPLIT)
            if tiles
            else ELPVDataset(category="mono", split=SPLIT)
        ).load()
        env = "magnetic_tile" if tiles else "base"
        conf = str(Path(CONF_SOURCE).resolve())
        loader = ProjectConfigLoader(conf, env=env, runtime_params=params, **LOADER_ARGS)
        sections = StudySections.of(loader["parameters"], images.category)
        return cls(Samples(images.table, images), sections)


def gradients(category: Category) -> str:
    """Norm of the gradient of the backbone: a new head, then after updates of the head alone with either loss."""
    settings, side = category.sections.ssl_finetune.training, 128
    saliency = estimate_saliency(category.samples, category.sections.defect_synthesis)
    good = GoodImages(category.samples.good_finetuning, saliency, side)
    kinds = category.sections.defect_synthesis.kinds()
    labels = torch.arange(1 + len(kinds)).repeat(IMAGES_PER_UPDATE)
    lines = ["| head | cross-entropy | sigmoid | ratio |", "|---|---|---|---|"]
    with TemporaryDirectory() as folder:
        task = SyntheticTask(
            CachedImages.write(Path(folder), good, len(good), side), kinds, None, settings.seed
        )

        def batch(update: int) -> torch.Tensor:
            items = range(update * IMAGES_PER_UPDATE, (update + 1) * IMAGES_PER_UPDATE)
            return torch.from_numpy(np.concatenate([task[item] for item in items]))

        for trained_with in (None, *LOSSES):
            network = ProxyNetwork(
                load_deepest(category.sections.features.backbone, image_size=side),
                1 + len(kinds),
                image_size=side,
                freeze_batch_norm=settings.freeze_batch_norm,
                frozen_depth=settings.frozen_depth,
                seed=settings.seed,
            )
            optimizer = torch.optim.SGD(network.head.parameters(), lr=HEAD_RATE, momentum=0.9)
            network.train()
            for update in range(1, 1 + HEAD_UPDATES) if trained_with else ():
                optimizer.zero_grad()
                LOSSES[str(trained_with)](network(batch(update)), labels).backward()
                optimizer.step()
            network.train_backbone(True)
            norms = [_gradient(network, loss, batch(0), labels) for loss in LOSSES]
            head = f"{HEAD_UPDATES} updates with {trained_with}" if trained_with else "new"
            lines.append(
                f"| {head} | {norms[0]:.2f} | {norms[1]:.2f} | {norms[0] / norms[1]:.1f} |"
            )
    return "\n".join(lines)


def _gradient(
    network: ProxyNetwork, loss: str, images: torch.Tensor, labels: torch.Tensor
) -> float:
    network.zero_grad()
    LOSSES[loss](network(images), labels).backward()
    norms = [p.grad.norm() for p in network.backbone.parameters() if p.grad is not None]
    return float(torch.stack(norms).norm())


def held_out_defects(category: Category) -> str:
    """Image AUROC of synthetic defects before and after the fine-tuning, by the stream that they are from."""
    samples, own = category.samples, category.sections
    saliency = estimate_saliency(samples, own.defect_synthesis)
    side = own.features.image_size
    defects = {
        purpose: synthesize_defects(samples, saliency, side, own.defect_synthesis, purpose)
        for purpose in (Purpose.TRAINING, Purpose.VALIDATION)
    }
    tuned, _ = finetune_backbone(
        samples, saliency, defects[Purpose.VALIDATION], own.features, own.defect_synthesis, own.ssl_finetune,
        device=own.compute.processor(),
    )  # fmt: skip
    lines = ["| draws | before | after |", "|---|---|---|"]
    found: dict[Purpose, list[float]] = {purpose: [] for purpose in defects}
    for weights in (None, tuned):
        extractor = PatchExtractor(own.features, weights, own.compute.processor())
        bank = _some_patches(extractor, samples.good_finetuning, own.memory_bank.seed)
        good = _scores(extractor, samples.held_out_good.stream("held-out good images"), bank)
        for purpose, made in defects.items():
            images = ((str(row), image) for row, image in enumerate(made.images))
            bad = _scores(extractor, images, bank)
            labels = np.repeat([0, 1], [len(good), len(bad)])
            found[purpose].append(100 * float(auroc(labels, np.concatenate([good, bad]))))
    lines += [f"| {purpose} | {pair[0]:.1f} | {pair[1]:.1f} |" for purpose, pair in found.items()]
    return "\n".join(lines)


def _some_patches(extractor: PatchExtractor, samples: Samples, seed: int) -> np.ndarray:
    """Draw patches of good images, float32 [about BANK_ROWS, channels]."""
    rng, share = np.random.default_rng(seed), -(-BANK_ROWS // len(samples))
    grids = extract_patches(extractor, samples.stream("patches of good images"))
    rows = (grid.reshape(-1, grid.shape[-1]) for _, grid in grids)
    return np.concatenate([each[rng.permutation(len(each))[:share]] for each in rows])


def _scores(
    extractor: PatchExtractor, images: Iterable[tuple[str, np.ndarray]], bank: np.ndarray
) -> np.ndarray:
    """Score images by the distance of their patches to the bank, float32 [images]."""
    found = []
    for _, grid in extract_patches(extractor, images):
        squared, _ = nearest_of_all(grid.reshape(-1, grid.shape[-1]), bank, 1)
        found.append(squared.reshape(grid.shape[:2]))
    return block_max_score(np.stack(found), None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["losses", "defects"])
    parser.add_argument("--tiles", help="folder of the magnetic tiles; without it the solar cells")
    parser.add_argument("--params", nargs="*", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    params: dict[str, Any] = {}
    for name, value in (pair.split("=", 1) for pair in arguments.params):
        *sections, last = name.split(".")
        place = params
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = yaml.safe_load(value)
    category = Category.open(arguments.tiles, params)
    measure = gradients if arguments.what == "losses" else held_out_defects
    sys.stdout.write(f"{measure(category)}\n")


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
