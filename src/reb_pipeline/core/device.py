"""Device that PyTorch computes on."""

from typing import TYPE_CHECKING

from reb_pipeline.core.errors import InputError

if TYPE_CHECKING:
    import torch


def torch_device(name: str) -> "torch.device":
    """Convert the name of a device to a PyTorch device.

    Args:
        name: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises:
        InputError: If PyTorch does not find that GPU.
    """
    import torch  # seconds to import

    n_gpus = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if n_gpus else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        msg = f"compute.device = {name!r} but PyTorch finds {n_gpus} GPUs: set it to auto or cpu."
        raise InputError(msg)
    return device
