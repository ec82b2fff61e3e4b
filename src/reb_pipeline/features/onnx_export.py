"""Export of a network as an ONNX file."""

import warnings
from importlib.util import find_spec

import torch
from torch import nn

from reb_pipeline.core.errors import InputError
from reb_pipeline.core.sizes import Size, shape_of

OPSET = 18  # version of 2022, which any current ONNX Runtime and OpenVINO reads
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def check_packages(user: str = "Packaging a model") -> None:
    """Check that the packages for the export and its check are installed.

    Args:
        user: Name of the work that needs them, for the error message.

    Raises:
        InputError: For the first missing package.
    """
    for name in NEEDED:
        if find_spec(name) is None:
            msg = f"{user} needs {name}, which is not installed: run `pip install {name}`."
            raise InputError(msg)


def export_onnx(network: nn.Module, size: Size) -> bytes:
    """Export a network to ONNX, for one image at a time.

    Runtimes can optimise for the one fixed shape, and the features of an image do not depend on other images.

    Args:
        network: Network from uint8 [1, height, width, 3] to float32 [1, …]; on the CPU, in eval mode.
        size: Side, or height and width, of the images in pixels.

    Returns:
        Bytes of the file, with the weights; the input is ``pixels``, the output ``features``. The file contains no
        information about this machine.

    Raises:
        InputError: If ONNX is not installed or the network cannot be exported.
    """
    check_packages()
    example = torch.zeros(1, *shape_of(size), 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
            warnings.simplefilter("ignore")  # PyTorch's warnings are for its developers
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["pixels"],
                output_names=["features"],
                verbose=False,
            )
    except Exception as error:  # the export raises many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        msg = (
            f"The backbone cannot be exported to ONNX ({reason}): choose another features.backbone."
        )
        raise InputError(msg) from error
    assert program is not None  # without a path it is returned
    return _without_traces(program.model_proto)


def _without_traces(model: object) -> bytes:
    """Serialize a model without its references to source code, which contain folder names of this machine."""
    import onnx

    assert isinstance(model, onnx.ModelProto)
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        for part in (*graph.node, *graph.value_info):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        graph.ClearField("metadata_props")
        graph.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.ClearField("metadata_props")
    return model.SerializeToString(deterministic=True)
