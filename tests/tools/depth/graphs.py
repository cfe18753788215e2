"""Tiny ONNX models, made by hand, and their descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml

from lix.tools.depth import build_engine

NCHW = ("n", 3, "h", "w")


def export(
    folder: Path,
    nodes: Sequence[Any],
    inputs: Sequence[str] = ("image",),
    shape: Sequence[int | str] = NCHW,
    kind: int | None = None,
    **constants: Any,
) -> str:
    """Save a graph whose last node gives `out`, and return its file name."""
    float32 = onnx.TensorProto.FLOAT
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        list(nodes),
        "tiny",
        [make(name, kind or float32, shape) for name in inputs],
        [make("out", float32, None)],
        [onnx.numpy_helper.from_array(np.array(v), name) for name, v in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "m.onnx")
    return "m.onnx"


def node(kind: str, inputs: str, output: str = "out", **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs.split(), [output], **attributes)


def describe(folder: Path, **entries: Any) -> Path:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump({"model": "m.onnx", **entries}))
    return path


def run(path: Path, *images: np.ndarray) -> np.ndarray:
    x = build_engine("onnx", model=path)(*images)
    assert x.dtype == np.float32
    return x


def image(height: int = 4, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


def channel(folder: Path, which: int = 0) -> None:
    """A model whose output is one channel of its input."""
    chosen = np.zeros((1, 3, 1, 1), np.float32)
    chosen[0, which] = 1
    export(folder, [node("Conv", "image chosen")], chosen=chosen)


INVERSE = {"means": "inverse_depth"}
