"""Parameters and MACs of an ONNX file, counted in its graph at any size; for `lix bench`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lix.core.onnx import PROVIDERS, open_session

COUNTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")

SCALED = ("QuantizeLinear", "DequantizeLinear")
"""Operators whose second and third inputs are scales and zero points, not parameters."""


def onnx_cost(path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
    """Parameters of a file of `lix export`, and MACs of its convolutions and matrix products.

    Runs the graph once to learn the shapes that count. Batch norms are folded into convolutions,
    so the parameters are fewer than PyTorch's.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    scales = {name for node in graph.node if node.op_type in SCALED for name in node.input[1:]}
    weights = [
        prod(w.dims)
        for w in graph.initializer
        if w.name not in scales and w.data_type != onnx.TensorProto.INT64
    ]
    layers = [node for node in graph.node if node.op_type in COUNTED]
    names = sorted({name for node in layers for name in (*node.input[:2], node.output[0])})
    _put_out_shapes(graph, names)
    session = open_session(model.SerializeToString(), providers=PROVIDERS[1:])
    image = np.zeros((batch, 3, height, width), np.float32)
    shapes = dict(zip(names, session.run(None, {"image": image}), strict=True))
    return sum(weights), sum(_macs(node, shapes) for node in layers)


def _put_out_shapes(graph: Any, names: Sequence[str]) -> None:
    """Make the shapes of these tensors the outputs of the graph."""
    from onnx import TensorProto, helper

    shapes = [f"{name}/its_shape" for name in names]
    graph.node.extend(
        helper.make_node("Shape", [name], [shape])
        for name, shape in zip(names, shapes, strict=True)
    )
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(shape, TensorProto.INT64, None) for shape in shapes
    )


def _macs(node: Any, shapes: Mapping[str, Any]) -> int:
    inputs, weight = (shapes[name].tolist() for name in node.input[:2])
    outputs = shapes[node.output[0]].tolist()
    if node.op_type == "Conv":
        return prod(outputs) * prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return prod(inputs) * prod(weight[1:])
    return prod(outputs) * inputs[-1]
