"""Write a transformer as an ONNX graph, in float32 or with weights of 8 bits."""

import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError, reason
from ..ml.onnx_encoder import ELSEWHERE, INPUTS, OUTPUT

if TYPE_CHECKING:
    from torch import nn

Precision = Literal["int8", "float32"]
OPSET = 17


def export_encoder(
    module: "nn.Module",
    *,
    precision: Precision = "int8",
    per_channel: bool = True,
    reduce_range: bool = True,
) -> bytes:
    """Write an encoder as a graph that reads batches of any shape.

    module (torch.nn.Module): A Hugging Face encoder; it is left as it is.
    precision (str): "float32", or "int8": matrices of weights are kept in signed integers of 8
        bits, their inputs are rounded to 8 bits when it runs, a scale a batch (dynamic
        quantisation), and word embeddings are kept in 8 bits with a scale a row. All else stays in
        float32.
    per_channel (bool): With "int8", a scale for each column of a matrix, in place of one for all of
        it, which changes six times as many labels (docs/performance.md).
    reduce_range (bool): With "int8", weights in 7 bits: products of 8 bits by 8 overflow on
        processors without VNNI.
    RETURNS (bytes): The ONNX model; names of inputs and output as in `ml/onnx_encoder.py`.
    RAISES (XnerError): X344 without the libraries, X345 if the encoder cannot be written.
    """
    try:
        import onnx
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as err:
        raise XnerError(Errors.X344.format(reason=reason(err))) from err

    class Vectors(torch.nn.Module):
        """Takes and gives tensors alone, which is all that a graph knows."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            found = self.module(input_ids=input_ids, attention_mask=attention_mask)
            return found.last_hidden_state

    ids = torch.zeros((2, 3), dtype=torch.long, device=next(module.parameters()).device)
    axes = {name: {0: "texts", 1: "subwords"} for name in (*INPUTS, OUTPUT)}
    was_training = module.training
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that are fixed, which these are not
        path = Path(folder, "encoder.onnx")
        try:
            torch.onnx.export(
                Vectors().eval(),
                (ids, torch.ones_like(ids)),
                path,
                dynamo=False,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_axes=axes,
            )
            if precision == "int8":
                _quiet(quantize_dynamic)(
                    path,
                    path,
                    op_types_to_quantize=["MatMul"],
                    weight_type=QuantType.QInt8,
                    per_channel=per_channel,
                    reduce_range=reduce_range,
                )
            model = onnx.load(path)
        except Exception as err:  # torch has an exception for each thing that a graph cannot say
            raise XnerError(Errors.X345.format(reason=reason(err))) from err
        finally:
            module.train(was_training)
    if precision == "int8":
        embeddings: Any = module.get_input_embeddings()  # type: ignore[operator]
        quantise_rows(model, embeddings.weight.detach().cpu().numpy())
    data: bytes = model.SerializeToString()
    if ELSEWHERE in data:
        raise XnerError(Errors.X345.format(reason="a name in it holds the word 'location'"))
    return data


def quantise_rows(model: Any, table: NDArray[np.float32]) -> None:
    """Keep a table of embeddings in 8 bits, each row with its scale: value = scale * integer.

    ONNX Runtime's own quantisation has one scale for the whole table.

    model (onnx.ModelProto): Holds the table and one node that gathers its rows; changed in place.
    table (Array of shape (rows, width)): The values in it.
    RAISES (XnerError): X345 if there is no such table.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    alike = [x for x in graph.initializer if list(x.dims) == list(table.shape) and _holds(x, table)]
    gathers = [
        n for n in graph.node if n.op_type == "Gather" and alike and n.input[0] == alike[0].name
    ]
    if not gathers:
        raise XnerError(Errors.X345.format(reason="found no table of word embeddings in the graph"))
    (old,), (gather,) = alike[:1], gathers[:1]
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / 127.0
    integers = np.rint(table / scales).astype(np.int8)
    names = {key: f"{old.name}_{key}" for key in ("integers", "scales")}
    graph.initializer.remove(old)
    graph.initializer.extend(
        [
            numpy_helper.from_array(integers, names["integers"]),
            numpy_helper.from_array(scales.astype(np.float32), names["scales"]),
        ]
    )
    at = list(graph.node).index(gather)
    ids, output = gather.input[1], gather.output[0]
    graph.node.remove(gather)
    found = {key: f"{output}_{key}" for key in ("integers", "scales", "floats")}
    nodes = [
        helper.make_node("Gather", [names["integers"], ids], [found["integers"]]),
        helper.make_node("Gather", [names["scales"], ids], [found["scales"]]),
        helper.make_node("Cast", [found["integers"]], [found["floats"]], to=TensorProto.FLOAT),
        helper.make_node("Mul", [found["floats"], found["scales"]], [output]),
    ]
    for node in reversed(nodes):
        graph.node.insert(at, node)


def _holds(tensor: Any, table: NDArray[np.float32]) -> bool:
    from onnx import numpy_helper

    return np.array_equal(numpy_helper.to_array(tensor), table)


def _quiet(function: Any) -> Any:
    """Without ONNX Runtime's advice to prepare the graph, which was tried and changes nothing."""

    def call(*args: Any, **kwargs: Any) -> Any:
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)
        try:
            return function(*args, **kwargs)
        finally:
            logging.root.setLevel(level)

    return call
