import pytest
import timm
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from reb_pipeline.features.backbones import Backbone, load_deepest
from reb_pipeline.finetuning.network import ProxyNetwork, is_folded
from tiny_finetuning import KINDS, SIDE, make_network, one_thread, snapshot, stem_state, write_stem

CLASSES = 1 + len(KINDS)
IMAGES = torch.randint(
    0, 256, (6, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
LABELS = torch.arange(CLASSES).repeat(2)
# The layers with weights of the first stage, from the input on.
LAYERS = ["conv1", "bn1"] + [
    f"layer1.{block}.{layer}" for block in (0, 1) for layer in ("conv1", "bn1", "conv2", "bn2")
]


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_stem(tmp_path_factory.mktemp("weights") / "stem.pth")


def layer(network, name):
    return network.backbone.network.get_submodule(name)


def learning(network):
    """Names of the backbone's layers that learn."""
    return [
        name for name in LAYERS if all(p.requires_grad for p in layer(network, name).parameters())
    ]


def update(network):
    """One optimiser step, with weight decay and everything."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    nn.functional.cross_entropy(network(IMAGES), LABELS).backward()
    optimizer.step()


def test_head_is_the_reference_s(weights):
    network = make_network(weights)
    kinds = [type(module) for module in network.head]
    assert kinds == 2 * [nn.Linear, nn.BatchNorm1d, nn.ReLU] + [nn.Linear]
    linear = [module for module in network.head if isinstance(module, nn.Linear)]
    assert [module.in_features for module in linear] == [64, 512, 256]
    assert [module.out_features for module in linear] == [512, 256, CLASSES]


def test_logits_come_from_the_average_of_the_deepest_map(weights):
    network = make_network(weights).eval()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        logits = network(IMAGES)
        normalised = ((IMAGES / 255 - mean) / std).permute(0, 3, 1, 2)
        (deepest,) = network.backbone(normalised)
        expected = network.head(deepest.flatten(2).mean(dim=2))
    assert (logits.shape, logits.dtype) == ((6, CLASSES), torch.float32)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_the_seed_alone_decides_the_head(weights):
    backbone = make_network(weights).backbone
    settings = {"image_size": SIDE, "freeze_batch_norm": False, "frozen_depth": 0.0}
    before = torch.random.get_rng_state()
    heads = [
        snapshot(ProxyNetwork(backbone, CLASSES, seed=seed, **settings).head) for seed in (0, 0, 1)
    ]
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    assert heads[0] == heads[1] != heads[2]


def test_at_first_the_head_learns_alone(weights):
    network = make_network(weights)
    network.train_backbone(False)
    before, head = snapshot(network.backbone), snapshot(network.head)
    update(network)
    assert network.head.training
    assert not network.backbone.network.training
    assert learning(network) == []
    assert snapshot(network.backbone) == before
    assert snapshot(network.head) != head


@pytest.mark.parametrize(("depth", "frozen"), [(0.0, 0), (0.5, 5), (1.0, len(LAYERS))])
def test_the_first_share_of_the_layers_stays_as_it_is(weights, depth, frozen):
    network = make_network(weights, frozen_depth=depth)
    network.train_backbone(True)
    before = [snapshot(layer(network, name)) for name in LAYERS]
    update(network)
    assert learning(network) == LAYERS[frozen:]
    after = [snapshot(layer(network, name)) for name in LAYERS]
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        index < frozen for index in range(len(LAYERS))
    ]


def test_folded_batch_norms_stay_as_they_are(tmp_path):
    state = stem_state()
    folded = ["bn1", "layer1.1.bn2"]
    for name in folded:
        state[f"{name}.running_mean"].zero_()
        state[f"{name}.weight"] = torch.sqrt(state[f"{name}.running_var"] + 1e-5)
    network = make_network(write_stem(tmp_path / "stem.pth", state))
    network.train_backbone(True)
    before = {name: snapshot(layer(network, name)) for name in LAYERS}
    update(network)
    assert learning(network) == [name for name in LAYERS if name not in folded]
    for name in LAYERS:
        assert (snapshot(layer(network, name)) == before[name]) == (name in folded)
        assert layer(network, name).training == (name not in folded)


def test_what_folded_is():
    norm = nn.BatchNorm2d(3).requires_grad_(False)
    norm.running_var.copy_(torch.tensor([0.5, 1.0, 2.0]))
    assert not is_folded(norm)
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.fill_(0.7)
    assert is_folded(norm)
    norm.running_mean[1] = 0.1
    assert not is_folded(norm)


def test_batch_norms_of_packaged_weights_are_not_taken_for_folded():
    backbone = load_deepest("efficientnet_lite0", image_size=SIDE)
    norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm)]
    assert len(norms) > 40
    assert not any(map(is_folded, norms))


def test_all_batch_norms_can_be_frozen(weights):
    network = make_network(weights, freeze_batch_norm=True)
    network.train_backbone(True)
    update(network)
    assert learning(network) == [name for name in LAYERS if "conv" in name]
    assert not any(layer(network, name).training for name in LAYERS if "bn" in name)


def test_eval_mode_and_back(weights):
    network = make_network(weights, frozen_depth=0.5)
    network.train_backbone(True)
    modes = [module.training for module in network.train().modules()]
    assert not any(module.training for module in network.eval().modules())
    assert [module.training for module in network.train().modules()] == modes
    assert any(modes)
    assert not all(modes)
    network.train_backbone(False)
    assert not any(module.training for module in network.backbone.modules())


def test_parameters_of_a_transformer_s_root_freeze_without_all_the_rest():
    """Its position embedding belongs to the module that holds all layers; its images have one size."""
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", depth=2, img_size=96)
    vit.prune_intermediate_layers([1], prune_norm=True, prune_head=True)

    def forward(images):
        return vit.forward_intermediates(images, indices=[1], intermediates_only=True)

    backbone = Backbone(vit, forward, (0.5,) * 3, (0.5,) * 3)
    network = ProxyNetwork(
        backbone, CLASSES, image_size=96, freeze_batch_norm=False, frozen_depth=0.15, seed=0
    )
    network.train_backbone(True)
    network.train()
    assert network.head[0].in_features == 192
    still = {name for name, p in vit.named_parameters() if not p.requires_grad}
    assert still == {"cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"}
    assert vit.blocks.training
