"""The smallest fine-tuning there is: a ResNet's first stage with random weights, few images, two kinds of defects."""

import io
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
import torchvision

from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker
from reb_pipeline.features.backbones import load_backbone
from reb_pipeline.finetuning.network import ProxyNetwork
from reb_pipeline.finetuning.settings import TrainingSettings
from reb_pipeline.finetuning.task import CachedImages, SyntheticTask
from reb_pipeline.finetuning.training import ValidationSet, finetune

SIDE = 64
KINDS = (DefectKind("rect", "noise", "paste"), DefectKind("bezier", "cut_paste"))
SETTINGS = {
    "updates": 4, "images_per_pass": 2, "passes_per_update": 2, "learning_rate": 0.01,
    "backbone_learning_rate": 0.01, "freeze_updates": 2, "loss": "cross_entropy", "momentum": 0.9,
    "weight_decay": 3e-5, "frozen_depth": 0.0, "freeze_batch_norm": False, "seed": 0,
}  # fmt: skip


def make_settings(**changes):
    return TrainingSettings(**{**SETTINGS, **changes})


def stem_state(seed=0):
    """ResNet-18 down to its first stage: random weights, and statistics as no two channels have them."""
    torch.manual_seed(seed)
    network = torchvision.models.resnet18(weights=None)
    network.train()(torch.randn(4, 3, SIDE, SIDE))
    kept = ("conv1", "bn1", "layer1")
    return {name: t for name, t in network.state_dict().items() if name.startswith(kept)}


def write_stem(path, state=None):
    """Write it; returns the path as a parameter has it."""
    torch.save(state or stem_state(), path)
    return str(path)


def make_network(weights, **changes):
    settings = {"freeze_batch_norm": False, "frozen_depth": 0.0, "seed": 0, **changes}
    backbone = load_backbone("resnet18", image_size=SIDE, layers=["layer1"], weights=weights)
    return ProxyNetwork(backbone, 1 + len(KINDS), image_size=SIDE, **settings)


def make_donors(count, side=SIDE, seed=0):
    """Noise, salient in the upper left: no turn or flip of one is that of another."""
    rng = np.random.default_rng(seed)
    saliency = np.zeros((side, side), bool)
    saliency[: side // 2, : side // 4] = True
    return [
        Donor(rng.integers(80, 176, (side, side, 3), dtype=np.uint8), saliency)
        for _ in range(count)
    ]


def make_task(folder, donors, seed=0, kinds=KINDS):
    return SyntheticTask(CachedImages.write(folder, donors, len(donors), SIDE), kinds, None, seed)


class Memory:
    """A checkpoint in memory, as a file would give it back; stops the run after its n-th write."""

    def __init__(self, stop_after=None):
        self.data, self.writes, self.stop_after = None, 0, stop_after

    def read(self):
        return self.data and torch.load(io.BytesIO(self.data), weights_only=True)

    def write(self, state):
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.data, self.writes = buffer.getvalue(), self.writes + 1
        if self.writes == self.stop_after:
            raise KeyboardInterrupt


@contextmanager
def one_thread():
    """Networks this small are many times slower on several threads of a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def exact():
    """On the CPU in full precision, where results are the same bit by bit."""
    with (
        one_thread(),
        mock.patch.object(torch.cuda, "is_available", return_value=False),
        mock.patch.object(torch.cpu, "get_capabilities", dict),
    ):
        yield


def snapshot(module):
    """Every tensor of a module as bytes."""
    return {name: t.detach().cpu().numpy().tobytes() for name, t in module.state_dict().items()}


def make_validation(per_class=2, seed=9):
    donors = make_donors(per_class, seed=seed)
    maker = DefectMaker(donors)
    images = [donor.image for donor in donors] + [
        maker.make(donor.image, donor.saliency, kind, seed, index).image
        for index, donor in enumerate(donors)
        for kind in KINDS
    ]
    labels = [0] * per_class + [1 + label for label in range(len(KINDS))] * per_class
    return ValidationSet(np.stack(images), np.array(labels))


VALIDATION = make_validation()


def run(weights, task, checkpoint=None, origin="here", validation=VALIDATION, **changes):
    """Fine-tune; returns the network and the history."""
    settings = make_settings(**changes)
    network = make_network(weights, seed=settings.seed)
    checkpoint = checkpoint or Memory()
    return network, finetune(network, task, validation, settings, checkpoint, origin=origin)
