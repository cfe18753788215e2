"""Depth or disparity by any ONNX model that a YAML file describes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from lix.core.errors import one_line, require
from lix.core.onnx import open_session, session_errors
from lix.data.x_files import XFiles
from lix.tools.depth.engine import STORED
from lix.tools.depth.onnx_description import OnnxDescription, Pixels, View, read_onnx_description

TYPES = {"float": np.float32, "float16": np.float16, "double": np.float64, "uint8": np.uint8}
"""Type of an input in ONNX Runtime → type of the array that it takes."""

Size = tuple[int, int]
"""Height and width."""


class OnnxModel:
    """A monocular or stereo network in ONNX Runtime, such as CREStereo.

    Args:
        model: the YAML file that describes it (`OnnxDescription`).
        threads: number of threads of ONNX Runtime.

    Raises:
        ModuleNotFoundError: ONNX Runtime is missing.
        ValueError: a wrong description, or a model that does not fit it.
    """

    name: ClassVar[str] = "onnx"

    def __init__(self, *, model: Path, threads: int = 1) -> None:
        require("depth", "onnxruntime")
        self.description = read_onnx_description(Path(model))
        self._session = open_session(self.description.model, threads)
        self._inputs = _match_inputs(self._session, self.description)
        self._output = _output_name(self._session, self.description)
        self._size = self.description.size
        if self._size is None and self.description.divisor is None:
            self._size = self._fixed_size()
        self.stereo = any(view.view == "right" for view in self.description.views)
        self.files: XFiles = STORED[self.description.output.means]

    @property
    def settings(self) -> dict[str, Any]:
        described = self.description.model_dump(mode="json", exclude={"model"})
        weights = hashlib.sha256(self.description.model.read_bytes()).hexdigest()
        return {"description": described, "model_sha256": weights}

    def __call__(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        images = {"left": left} if right is None else {"left": left, "right": right}
        scaled = {side: self._scaled(image) for side, image in images.items()}
        feeds = {
            name: _input(scaled[view.view], view, self.description.pixels).astype(kind)
            for name, (view, kind) in self._inputs.items()
        }
        try:
            result = self._session.run([self._output], feeds)[0]
        except session_errors() as error:
            raise ValueError(
                f"the model cannot take it ({one_line(error)}); correct size or divisor in the "
                "description."
            ) from None
        return self._restored(_plane(np.asarray(result), self.description), left.shape[:2])

    def _scaled(self, image: NDArray[np.uint8]) -> Tensor:
        """The image as (1, 3, h, w) of 0 … 255, resized or padded for the network."""
        batch = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        if self._size is not None:
            return _resized(batch, self._size, antialias=True)
        height, width = image.shape[:2]
        divisor = self.description.divisor or 1
        return pad(batch, (0, -width % divisor, 0, -height % divisor), mode="replicate")

    def _restored(self, plane: Tensor, size: Size) -> NDArray[np.float32]:
        """X of the network, (1, 1, h, w), as (H, W) of the image's size, NaN = invalid."""
        height, width = size
        values = plane * self.description.output.scale
        values = values.where(values.isfinite(), torch.nan)
        if self._size is not None:
            values = _resized(values, size)
            if self.description.output.means == "disparity":
                values = values * (width / self._size[1])
        else:
            divisor = self.description.divisor or 1
            values = _resized(values, (height + -height % divisor, width + -width % divisor))
        restored: NDArray[np.float32] = values[0, 0, :height, :width].numpy()
        return restored

    def _fixed_size(self) -> Size | None:
        """Fixed height and width of the model's inputs."""
        for node in self._session.get_inputs():
            view, _ = self._inputs[node.name]
            axes = (2, 3) if self.description.pixels.layout == "nchw" else (1, 2)
            height, width = (node.shape[axis] for axis in axes)
            if isinstance(height, int) and isinstance(width, int):
                return height * view.shrink, width * view.shrink
        return None


def _match_inputs(session: Any, description: OnnxDescription) -> dict[str, tuple[View, Any]]:
    """Name of each input of the model → its view and type."""
    inputs = {node.name: node for node in session.get_inputs()}
    given: Mapping[str, View]
    if isinstance(description.inputs, dict):
        given = description.inputs
    else:
        given = dict(zip(inputs, description.inputs, strict=False))
    if set(given) != set(inputs) or len(description.inputs) != len(inputs):
        views = list(given) if isinstance(description.inputs, dict) else len(description.inputs)
        raise ValueError(
            f"{description.model} has the inputs {', '.join(inputs)}, but the description gives "
            f"{views}; correct `inputs`."
        )
    for name, node in inputs.items():
        if node.type.removeprefix("tensor(")[:-1] not in TYPES or len(node.shape) != 4:
            raise ValueError(
                f"{description.model} takes {node.type} of shape {node.shape} as {name}, which is "
                "not a batch of images; export it with (N, 3, H, W) or (N, H, W, 3)."
            )
    return {
        name: (view, TYPES[inputs[name].type.removeprefix("tensor(")[:-1]])
        for name, view in given.items()
    }


def _output_name(session: Any, description: OnnxDescription) -> str:
    outputs = [node.name for node in session.get_outputs()]
    name = description.output.name
    if name in outputs:
        return str(name)
    if isinstance(name, int) and -len(outputs) <= name < len(outputs):
        return outputs[name]
    raise ValueError(
        f"{description.model} has the outputs {', '.join(outputs)}, but the description names "
        f"{name}; correct `output.name`."
    )


def _input(batch: Tensor, view: View, pixels: Pixels) -> NDArray[np.float32]:
    """The image, (1, 3, h, w) of 0 … 255, as an input of the network."""
    if view.shrink > 1:
        height, width = batch.shape[-2:]
        batch = _resized(batch, (height // view.shrink, width // view.shrink), antialias=True)
    if pixels.order == "bgr":
        batch = batch.flip(1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (pixels.mean, pixels.std))
    batch = (batch * pixels.scale - mean) / std
    if pixels.layout == "nhwc":
        batch = batch.permute(0, 2, 3, 1)
    return np.ascontiguousarray(batch.numpy())


def _plane(result: NDArray[Any], description: OnnxDescription) -> Tensor:
    """The channel that holds X as (1, 1, h, w) float32."""
    planes = result
    if planes.ndim == 4:
        planes = planes[0].transpose(2, 0, 1) if description.pixels.layout == "nhwc" else planes[0]
    if planes.ndim == 2:
        planes = planes[None]
    channel = description.output.channel
    if planes.ndim != 3 or channel >= len(planes):
        raise ValueError(
            f"the model gives {result.shape}, which has no channel {channel} of an image; "
            "correct `output` or `layout` in the description."
        )
    return torch.from_numpy(np.array(planes[channel], np.float32))[None, None]


def _resized(batch: Tensor, size: Size, *, antialias: bool = False) -> Tensor:
    if tuple(batch.shape[-2:]) == size:
        return batch
    return interpolate(batch, size, mode="bilinear", antialias=antialias)
