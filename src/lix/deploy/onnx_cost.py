"""What an ONNX file costs, as its graph tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

Shapes = Mapping[str, Sequence[int]]

SCALED = ("QuantizeLinear", "DequantizeLinear")
"""Operators whose second and third inputs are scales and zero points, not parameters."""


def onnx_cost(path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
    """Parameters and MACs (convolutions and matrix products alone) of a file of `lix export`.

    Batch norms are folded into convolutions, so the parameters are fewer than PyTorch's.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    fixed = zip(graph.input[0].type.tensor_type.shape.dim, (batch, 3, height, width), strict=True)
    for dimension, length in fixed:
        dimension.dim_value = length
    graph.output[0].type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    stored: dict[str, Sequence[int]] = {w.name: w.dims for w in graph.initializer}
    known = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    scales = {name for node in graph.node if node.op_type in SCALED for name in node.input[1:]}
    weights = [
        prod(w.dims)
        for w in graph.initializer
        if w.name not in scales and w.data_type != onnx.TensorProto.INT64
    ]
    return sum(weights), sum(_macs(node, {**known, **stored}) for node in graph.node)


def _macs(node: Any, shapes: Shapes) -> int:
    if node.op_type == "Conv":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return 0
