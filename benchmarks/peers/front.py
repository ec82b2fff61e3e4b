"""Models of anomalib for the front: ``python -m benchmarks.peers.front ENV --data-root DATA --weights FILE``.

PatchCore, PaDiM and DFM of anomalib with its own settings at 256 px, around a ResNet-18 (its layers 1 to 3), learn the
good training images of each category and score its test images. The coreset of PatchCore, 1 % here, is selected by
this project, whose rows are those of plain greedy selection too (``benchmarks/peers.md``): anomalib would take minutes
to hours. Writes a table (CSV) of image AUROC that ``python -m benchmarks.front --anomalib`` joins with its own, and
times there.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.peers.case import Settings
from benchmarks.peers.data import cells
from benchmarks.peers.images import anomalib_model, anomalib_transform, embedding
from reb_pipeline.core.errors import print_input_error
from reb_pipeline.images.samples import Samples
from reb_pipeline.metrics.significance import auroc
from reb_pipeline.parameters.loader import categories
from reb_pipeline.search.k_center import greedy_k_center

CORESET_RATIO = 0.01
FITTED_ON, REPEATS = 8, 9  # photos of a model that is only timed; timed inspections


def patchcore(settings: Settings) -> Any:
    """Its PatchCore; the bank is set by :func:`learn`."""
    return anomalib_model(settings)


def padim(settings: Settings) -> Any:
    """Its PaDiM, 100 of 448 channels."""
    from anomalib.models.image.padim.torch_model import PadimModel

    torch.manual_seed(0)  # of the channels
    layers = ["layer1", "layer2", "layer3"]
    return PadimModel(backbone=_network(settings), layers=layers, pre_trained=False, n_features=100)


def dfm(settings: Settings) -> Any:
    """Its DFM by the error of the reconstruction, 97 % of the variance."""
    from anomalib.models.image.dfm.torch_model import DFMModel

    return DFMModel(backbone=_network(settings), layer="layer3", pre_trained=False)


MODELS = {"PatchCore, coreset 1 %": patchcore, "PaDiM": padim, "DFM": dfm}


def _network(settings: Settings) -> Any:
    """Build the network with the same weights as in :func:`anomalib_model`."""
    return anomalib_model(settings).backbone


def learn(model: Any, images: Iterable[torch.Tensor], n_rows: int | None = None) -> None:
    """Fit a model to prepared good images [1, 3, height, width]; a number of rows of a bank means drawn ones."""
    if not hasattr(model, "fit"):
        rows = np.concatenate([embedding(model, one)[0] for one in images])
        rows = rows.reshape(-1, rows.shape[-1])
        if n_rows:
            chosen = np.random.default_rng(0).integers(0, len(rows), n_rows)
        else:
            chosen = greedy_k_center(rows, int(CORESET_RATIO * len(rows)), seed=0)
        model.memory_bank = torch.from_numpy(rows[chosen])
    else:
        model.train()
        model.feature_extractor.eval()
        with torch.no_grad():
            for one in images:
                model(one)
            model.fit()
    model.eval()


def costs_of(name: str, settings: Settings, n_images: int) -> tuple[float, float]:
    """Processor milliseconds of an inspection, from a decoded photo to its score and map; MB of the model's tensors."""
    model, prepare = MODELS[name](settings), anomalib_transform(settings)
    photos = list(cells(FITTED_ON))
    patches = (settings.image_size // 8) ** 2
    n_rows = int(CORESET_RATIO * n_images * patches)
    learn(model, [prepare(photo)[None] for photo in photos], n_rows)
    times = []
    for photo in [photos[0], *(photos[n % len(photos)] for n in range(REPEATS))]:
        begin = time.process_time()
        with torch.inference_mode():
            model(prepare(photo)[None])
        times.append(time.process_time() - begin)
    tensors = {id(value): value.nbytes for value in (*model.buffers(), *model.parameters())}
    return 1000 * float(np.median(times[1:])), sum(tensors.values()) / 1e6


def image_auroc(name: str, samples: Samples, settings: Settings) -> float:
    """Image AUROC in percent of a category."""
    model, prepare = MODELS[name](settings), anomalib_transform(settings)
    learn(model, (prepare(image)[None] for _, image in samples.good_training.stream()))
    with torch.inference_mode():
        scores = [
            float(model(prepare(image)[None]).pred_score) for _, image in samples.test.stream()
        ]
    return 100 * float(auroc(samples.test.table["label"].to_numpy(), np.array(scores)))


def main() -> None:
    """Measure the categories of an environment that are there, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("env")
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--categories", nargs="+")
    parser.add_argument("--weights", required=True, help="state dict of a ResNet-18")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    settings = Settings(Path(), arguments.weights, quick=False)
    bootstrap_project(Path.cwd())
    root, rows = {"data_root": arguments.data_root}, []
    with KedroSession.create(env=arguments.env, runtime_params=root) as session:
        context = session.load_context()
        for category in arguments.categories or categories():
            images = context.catalog.load(f"{category}.raw_images")
            for name in MODELS:
                value = image_auroc(name, Samples(images.table, images), settings)
                rows.append({"model": name, "category": category, "image_auroc": value})
                sys.stderr.write(f"{rows[-1]}\n")
                pd.DataFrame(rows).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    sys.excepthook = print_input_error
    main()
