import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from reb_pipeline.defectmaker.maker import DefectKind
from reb_pipeline.finetuning import training
from reb_pipeline.finetuning.training import (
    LOSSES,
    Precision,
    ValidationSet,
    cross_entropy,
    finetune,
    sigmoid,
    validate,
)
from tiny_finetuning import (
    KINDS,
    VALIDATION,
    Memory,
    exact,
    make_donors,
    make_network,
    make_settings,
    make_task,
    make_validation,
    run,
    snapshot,
    write_stem,
)

LOGITS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * 3
LABELS = torch.tensor([0, 1, 2, 2, 0])


@pytest.fixture(autouse=True)
def _exact():
    with exact():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_stem(tmp_path_factory.mktemp("weights") / "stem.pth")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return make_task(tmp_path_factory.mktemp("task"), make_donors(5))


def test_cross_entropy_is_its_formula():
    terms = [
        np.log(np.exp(row).sum()) - row[label]
        for row, label in zip(LOGITS.double().numpy(), LABELS.tolist(), strict=True)
    ]
    assert cross_entropy(LOGITS, LABELS).item() == pytest.approx(np.mean(terms), rel=1e-6)


def test_sigmoid_is_the_mean_of_binary_cross_entropies():
    terms = []
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        for index, logit in enumerate(row):
            probability = 1 / (1 + np.exp(-logit))
            terms.append(-np.log(probability if index == label else 1 - probability))
    assert sigmoid(LOGITS, LABELS).item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert sigmoid(torch.tensor([[800.0, -800.0]]), torch.tensor([1])).isfinite()


@pytest.mark.parametrize("loss", LOSSES)
def test_history_tells_what_the_network_did(weights, task, monkeypatch, loss):
    monkeypatch.setattr(training, "VALIDATE_EVERY", 3)
    network, history = run(weights, task, loss=loss, passes_per_update=1, updates=7)
    assert [v["update"] for v in history.validations] == [3, 6, 7]
    assert history.validations[-1] == {"update": 7, **validate(network, VALIDATION, loss)}
    network = make_network(weights)
    network.train_backbone(False)
    network.train()
    images = torch.from_numpy(np.concatenate([task[0], task[1]]))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    logits = network(images)
    first = history.updates[0]
    assert first["loss"] == pytest.approx(LOSSES[loss](logits, labels).item(), rel=1e-4)
    assert first["accuracy"] == (logits.argmax(dim=1) == labels).sum().item() / 6
    assert first["learning_rate"] == 0.01
    assert [update["update"] for update in history.updates] == list(range(1, 8))


def test_validation_is_in_eval_mode_whatever_the_batches(weights, monkeypatch):
    network = make_network(weights)
    network.train_backbone(True)
    network.train()
    before = snapshot(network)
    validation = make_validation(per_class=4)
    found = validate(network, validation, "sigmoid")
    monkeypatch.setattr(training, "VALIDATION_BATCH", 5)
    in_batches = validate(network, validation, "sigmoid")
    assert snapshot(network) == before
    labels = torch.from_numpy(validation.labels)
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(validation.images))
    hits = logits.argmax(dim=1) == labels
    expected = {
        "loss": sigmoid(logits, labels).item(),
        "accuracy": hits.float().mean().item(),
        "class_accuracy": [hits[labels == label].float().mean().item() for label in range(3)],
    }
    for result in (found, in_batches):
        assert result.keys() == expected.keys()
        for name, value in expected.items():
            assert result[name] == pytest.approx(value, rel=1e-4), name


def test_validation_decides_nothing(weights, task, monkeypatch):
    monkeypatch.setattr(training, "VALIDATE_EVERY", 1)
    one, _ = run(weights, task, updates=3)
    other, _ = run(weights, task, updates=3, validation=make_validation(per_class=3, seed=5))
    assert snapshot(one) == snapshot(other)


def test_two_passes_are_one_of_twice_the_size(weights, task):
    """Where nothing depends on the statistics of a batch."""
    states = []
    for passes, images in ((2, 2), (1, 4)):
        settings = make_settings(
            updates=1, freeze_updates=0, passes_per_update=passes, images_per_pass=images,
            freeze_batch_norm=True,
        )  # fmt: skip
        network = make_network(weights, freeze_batch_norm=True)
        torch.manual_seed(0)
        network.head = nn.Linear(64, 1 + len(KINDS))
        before = {name: t.clone() for name, t in network.state_dict().items()}
        finetune(network, task, VALIDATION, settings, Memory(), origin="")
        states.append(network.state_dict())
    for name, tensor in states[0].items():
        change, other = tensor - before[name], states[1][name] - before[name]
        assert (change == 0).all() == ("bn" in name)
        torch.testing.assert_close(change, other, rtol=1e-3, atol=1e-6, msg=name)


def test_updates_are_sgd_with_momentum_and_weight_decay(weights, task):
    given = {"weight_decay": 0.1, "momentum": 0.8, "passes_per_update": 1, "updates": 3}
    found, _ = run(weights, task, freeze_updates=0, **given)
    network = make_network(weights)
    network.train_backbone(True)
    network.train()
    velocity = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for update in range(3):
        images = np.concatenate([task[2 * update], task[2 * update + 1]])
        network.zero_grad()
        cross_entropy(network(torch.from_numpy(images)), torch.tensor([0, 1, 2] * 2)).backward()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                velocity[name] = 0.8 * velocity[name] + parameter.grad + 0.1 * parameter
                rate = make_settings(**given).anneal(0.01, update)
                parameter.sub_(rate * velocity[name])
    for name, parameter in network.named_parameters():
        difference = found.get_parameter(name) - parameter
        last_step = 0.01 * velocity[name]
        assert difference.abs().max() < 1e-3 * last_step.abs().max(), name


def test_head_and_backbone_have_their_own_learning_rates(weights, task):
    start = make_network(weights).state_dict()
    changes = [
        {name: t - start[name] for name, t in run(weights, task, **rates)[0].state_dict().items()}
        for rates in (
            {"updates": 1, "freeze_updates": 0, "backbone_learning_rate": rate}
            for rate in (0.02, 0.04)
        )
    ]
    for name in ("head.0.weight", "head.6.bias", "head.4.running_var"):
        torch.testing.assert_close(changes[0][name], changes[1][name], rtol=0, atol=0)
    for layer in ("conv1", "layer1.1.conv2", "bn1"):
        one, two = (change[f"backbone.network.{layer}.weight"] for change in changes)
        assert one.abs().max() > 0
        torch.testing.assert_close(2 * one, two, rtol=1e-3, atol=1e-7)


def test_the_backbone_waits_for_the_head(weights, task):
    network, _ = run(weights, task, updates=2, freeze_updates=2)
    start = make_network(weights)
    assert snapshot(network.backbone) == snapshot(start.backbone)
    assert snapshot(network.head) != snapshot(start.head)
    network, _ = run(weights, task, updates=3, freeze_updates=2)
    assert snapshot(network.backbone) != snapshot(start.backbone)


def test_half_precision_where_the_cpu_has_it(monkeypatch, weights, task):
    def product():
        with Precision(torch.device("cpu")).autocast():
            return functional.linear(torch.ones(2, 3), torch.ones(4, 3)).dtype

    assert product() == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert product() == torch.bfloat16
    network, history = run(weights, task, updates=1, freeze_updates=0)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert np.isfinite(history.updates[0]["loss"])


def test_easy_defects_are_learned(weights, tmp_path):
    """Grey images and one kind: large boxes of coloured noise; chance is 1/2."""
    donors = make_donors(4)
    for donor in donors:
        donor.image[:] = donor.image.mean(axis=2, keepdims=True) // 8 + 112
        donor.saliency[:] = True
    task = make_task(tmp_path, donors, kinds=[DefectKind("rect", "noise", "paste")])
    network = make_network(weights)
    validation = ValidationSet(
        np.concatenate([task[i] for i in range(1000, 1008)]), np.arange(16) % 2
    )
    settings = make_settings(
        updates=30, images_per_pass=8, passes_per_update=1, freeze_updates=10, learning_rate=0.03
    )
    network.head[-1] = nn.Linear(256, 2)
    history = finetune(network, task, validation, settings, Memory(), origin="")
    accuracy = [update["accuracy"] for update in history.updates]
    loss = [update["loss"] for update in history.updates]
    assert np.mean(accuracy[-5:]) > 0.85
    assert np.mean(loss[-5:]) < 0.6 * np.mean(loss[:3])
