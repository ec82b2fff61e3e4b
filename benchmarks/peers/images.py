"""From images to features, to a verdict, to a memory bank."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.peers.case import Case, Run, Settings, Timed
from benchmarks.peers.data import (
    BATCH,
    CORESET_RATIO,
    as_bank,
    backbone,
    bank,
    cells,
    extractor,
    unseen,
)
from benchmarks.peers.neighbors import anomalib_greedy
from reb_pipeline.features.backbones import load_backbone
from reb_pipeline.features.extractor import extract_patches
from reb_pipeline.images.resize import resize_image
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.coreset import select_coreset
from reb_pipeline.memory_bank.density import measure_local_density
from reb_pipeline.memory_bank.settings import MemoryBankSettings
from reb_pipeline.scoring.detector import MemoryBankDetector
from reb_pipeline.scoring.settings import ScoringSettings

NEIGHBORS = 9
SIGMA = 4


def features(settings: Settings, engine: str, batch: int) -> Case:
    """Trunk and neck on images of the network's size."""
    images = [resize_image(image, settings.image_size) for image in cells(batch)]

    def ours() -> Run:
        extract = extractor(settings, engine=engine)
        return lambda: extract(images)

    def peer() -> Run:
        model, network = anomalib_model(settings), load(settings)
        mean, std = (
            torch.tensor(each, device=settings.device).view(1, 3, 1, 1)
            for each in (network.mean, network.std)
        )

        def run() -> np.ndarray:
            stacked = torch.from_numpy(np.stack(images)).to(settings.device)
            pixels = stacked.permute(0, 3, 1, 2).contiguous() / 255
            return embedding(model, (pixels - mean) / std)

        return run

    def compare(a: np.ndarray, b: np.ndarray) -> str:
        return (
            f"largest difference {np.abs(a - b).max() / np.abs(b).max():.1e} of the largest feature"
        )

    return Case(
        f"{backbone(settings)[0]} to patches, {settings.image_size} px, batch {batch}, {engine}",
        ours=ours,
        peer=peer,
        compare=compare,
        target=4 if batch == 1 else 3,
        flop=batch * flop_of(settings),
    )


def inspection(settings: Settings, scorer: str, engine: str) -> Case:
    """A decoded image to its score and anomaly map."""
    rows, image = bank(settings), unseen(settings)

    def ours() -> Run:
        extract = extractor(settings, engine=engine)
        every_row = Coreset(np.arange(len(rows)), len(rows))
        local = measure_local_density(as_bank(rows), every_row, NEIGHBORS, device=settings.device)
        scoring = ScoringSettings(scorer=scorer, n_neighbors=NEIGHBORS, max_neighbors=NEIGHBORS)
        detector = MemoryBankDetector.of(as_bank(rows), local, scoring)

        def run() -> np.ndarray:
            patches = [("", extract([image])[0])]
            detection = detector.score(detector.search(patches, settings.device))
            ((_, amap),) = detection.anomaly_maps(settings.image_size, SIGMA)
            return amap

        return run

    def peer() -> Run:
        model, prepare = anomalib_model(settings), anomalib_transform(settings)
        model.memory_bank = torch.from_numpy(rows).to(settings.device)

        def run() -> np.ndarray:
            with torch.inference_mode():
                found = model(prepare(image)[None].to(settings.device))
                return found.anomaly_map[0, 0].cpu().numpy()

        return run

    def compare(a: np.ndarray, b: np.ndarray) -> str:
        return f"correlation of the two maps {np.corrcoef(a.ravel(), b.ravel())[0, 1]:.3f}"

    patches = (settings.image_size // 8) ** 2
    return Case(
        f"one image of {image.shape[0]} px to score and map, {scorer}, bank {len(rows):,}, {engine}",
        ours=ours,
        peer=peer,
        compare=compare,
        target=4,
        flop=flop_of(settings) + 2.0 * patches * rows.size,
    )


def fit(settings: Settings, engine: str) -> Case:
    """Images to a coreset with its local density."""
    n = settings.of(200, 4)
    images = list(cells(n))
    n_rows = n * (settings.image_size // 8) ** 2
    n_select = int(n_rows * CORESET_RATIO)

    def ours() -> Run:
        extract = extractor(settings, engine=engine)

        def run() -> None:
            named = ((str(index), image) for index, image in enumerate(images))
            filled = collect_patches(extract_patches(extract, named, BATCH), n, {})
            share = MemoryBankSettings(coreset_ratio=CORESET_RATIO, seed=0)
            chosen = select_coreset(filled, share, device=settings.device)
            measure_local_density(filled, chosen, NEIGHBORS, device=settings.device)

        return run

    def peer() -> Run:
        model, prepare = anomalib_model(settings).train(), anomalib_transform(settings)
        model.feature_extractor.eval()

        def run() -> Timed:
            start = time.perf_counter()
            with torch.no_grad():
                for first in range(0, n, BATCH):
                    batch = [prepare(image) for image in images[first : first + BATCH]]
                    model(torch.stack(batch).to(settings.device))
                stored = torch.vstack(model.embedding_store).cpu().numpy()
            model.embedding_store.clear()
            seconds = time.perf_counter() - start
            selection = anomalib_greedy(stored, n_select, settings.device)()
            return Timed(seconds + selection.seconds, None, selection.note)

        return run

    channels = extractor(settings)(images[:1]).shape[-1]
    return Case(
        f"{n} images to bank, coreset 10 % and density, {engine}",
        ours=ours,
        peer=peer,
        compare=lambda *_: "anomalib has no density",
        target=4,
        flop=n * flop_of(settings) + 4.0 * n_rows * channels * n_select,
        warm_up=False,
    )


def anomalib_model(settings: Settings) -> Any:
    """Its PatchCore around the same network with the same weights."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    ours = load(settings).network.state_dict()
    if settings.weights:
        from torchvision.models import resnet18

        network = resnet18(weights=None)
        network.load_state_dict(ours, strict=False)  # ours ends at the deepest tapped layer
        layers = ["layer2", "layer3"]
        model = PatchcoreModel(backbone=network.eval(), layers=layers, pre_trained=False)
        return model.eval().to(settings.device)
    model = PatchcoreModel(
        backbone="tf_efficientnet_lite0", layers=["blocks.2", "blocks.4"], pre_trained=False
    )
    model.feature_extractor.feature_extractor.load_state_dict(ours, strict=False)
    return model.eval().to(settings.device)


def anomalib_transform(settings: Settings) -> Callable[[np.ndarray], torch.Tensor]:
    """Its preprocessing of a decoded image: resize and normalise, as the weights of the network need it.

    Its own mean and deviation are ImageNet's for every network; those of EfficientNet-Lite0 are others.
    """
    from anomalib.models import Patchcore
    from torchvision.transforms.v2 import Compose, Normalize

    side, network = settings.image_size, load(settings)
    resize, _ = Patchcore.configure_pre_processor(image_size=(side, side)).transform.transforms
    transform = Compose([resize, Normalize(network.mean, network.std)])

    def prepare(image: np.ndarray) -> torch.Tensor:
        return transform(torch.from_numpy(image).permute(2, 0, 1).float() / 255)

    return prepare


def embedding(model: Any, batch: torch.Tensor) -> np.ndarray:
    """Its features before the search, float32 [images, h, w, channels]."""
    with torch.inference_mode():
        maps = model.feature_extractor(batch)
        pooled = {layer: model.feature_pooler(values) for layer, values in maps.items()}
        return model.generate_embedding(pooled).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def load(settings: Settings) -> Any:
    """Our network."""
    name, weights = backbone(settings)
    return load_backbone(name, image_size=settings.image_size, weights=weights)


def flop_of(settings: Settings) -> float:
    """Operations of the network on one image."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        load(settings)(torch.zeros(1, 3, settings.image_size, settings.image_size))
    return counter.get_total_flops()


_ENGINES = ("torch", "openvino")
CASES: dict[str, dict[str, Callable[[Settings], Case]]] = {
    "features": {
        f"{engine} {batch}": partial(features, engine=engine, batch=batch)
        for engine in _ENGINES
        for batch in (1, 8)
    },
    "inspection": {
        f"{engine} {scorer}": partial(inspection, engine=engine, scorer=scorer)
        for engine in _ENGINES
        for scorer in ("ldknn", "nearest")
    },
    "fit": {engine: partial(fit, engine=engine) for engine in _ENGINES},
}
