"""The YAML file that describes an ONNX model for depth or disparity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from lix.data.options import Number
from lix.data.yaml_files import load_yaml


def _view(value: object) -> object:
    """`left` → {view: left}."""
    return {"view": value} if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class View(_Section):
    """Image that an input of the model takes."""

    view: Literal["left", "right"] = "left"
    shrink: PositiveInt = 1
    """Factor by which height and width are reduced."""


class Pixels(_Section):
    """How pixels of 0 … 255 become an input: (pixel * scale - mean) / std."""

    order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    """Layout of inputs and output."""
    scale: Number = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Mean of each channel, in the order of the channels, as for `std`."""
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)


class Output(_Section):
    """Output that holds X, and its meaning."""

    name: int | str = 0
    """Name or position of the output."""
    channel: int = Field(default=0, ge=0)
    means: Literal["disparity", "inverse_depth", "depth"]
    scale: Number = 1.0
    """value * scale is disparity in pixels of the input that is not shrunk, or depth in metres."""


class OnnxDescription(_Section):
    """A model that makes depth from one image, or disparity from two."""

    model: Path
    """Path of the ONNX file, relative to the YAML file."""
    inputs: Annotated[
        Sequence[Annotated[View, BeforeValidator(_view)]]
        | dict[str, Annotated[View, BeforeValidator(_view)]],
        Field(min_length=1),
    ] = (View(),)
    """Views in the order of the model's inputs, or by their names."""
    size: tuple[PositiveInt, PositiveInt] | None = None
    """Height and width that images are resized to; default: the model's own, if it has one."""
    divisor: PositiveInt | None = None
    """Instead of `size`: images are padded at the right and the bottom to multiples of it."""
    pixels: Pixels = Pixels()
    output: Output

    @model_validator(mode="after")
    def _check(self) -> OnnxDescription:
        if self.size is not None and self.divisor is not None:
            raise ValueError("an image is resized or padded; give `size` or `divisor`, not both")
        views = {view.view for view in self.views}
        if "left" not in views:
            raise ValueError("no input sees the left image, which X is made for")
        if self.output.means == "disparity" and views == {"left"}:
            raise ValueError("disparity needs an input that sees the right image")
        return self

    @property
    def views(self) -> tuple[View, ...]:
        """Views of all inputs."""
        return tuple(self.inputs.values() if isinstance(self.inputs, dict) else self.inputs)


def read_onnx_description(path: Path) -> OnnxDescription:
    """Read and check a description; the model's path becomes absolute.

    Raises:
        ValueError: the file is missing or wrong; the message names the entry.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; describe the ONNX model in it as recipes/crestereo-onnx.yaml does."
        )
    try:
        entries = load_yaml(path)
        description = OnnxDescription.model_validate(entries or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ValueError(
            f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}; correct the entry."
        ) from None
    model = (path.parent / description.model.expanduser()).resolve()
    if not model.is_file():
        raise ValueError(f"{path}: model: {model} is missing; correct the path.")
    return description.model_copy(update={"model": model})
