"""What a sample is: one frame in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.core.errors import DataError
from lix.data.modalities import X
from lix.data.options import Span
from lix.data.readers import image_orientation


@dataclass
class Sample:
    """One frame in memory."""

    image: tv_tensors.Image
    """(3, H, W) RGB, uint8, or float32 in [0, 1] once its colours were changed."""
    target: tv_tensors.Mask
    """(H, W) int64 train ids, 255 = ignored."""
    id: str
    x: tuple[X, ...] = ()
    """One or several of the kinds of `lix.data.modalities`, each (C, H, W), NaN = invalid; empty
    for a student."""
    intrinsics: Tensor | None = None
    """(3, 3) camera matrix in pixels."""
    spans: tuple[Span | None, ...] = ()
    """Where the encoding of each X begins and ends; empty: the defaults of all kinds."""


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> Tensor:
    """(3, 3) intrinsics from focal lengths and principal point in pixels."""
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def scaled_camera(
    camera: tuple[float, float, float, float], of: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """(3, 3) intrinsics of an image that users keep at another size.

    Args:
        camera: fx, fy, cx, cy in pixels.
        of: height and width that the camera is given for.
        size: height and width of the image.
    """
    (fx, fy, cx, cy), y, x = camera, size[0] / of[0], size[1] / of[1]
    return camera_matrix(fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5)


def check_sizes(sample: Sample, path: Path) -> Sample:
    """Return the sample if all its parts have the same height and width.

    Raises:
        DataError: they differ; the message names the frame.
    """
    expected = tuple(sample.image.shape[-2:])
    for part, values in [("label", sample.target), *(("X", x) for x in sample.x)]:
        size = tuple(values.shape[-2:])
        if size != expected:
            is_turned = path.is_file() and image_orientation(path) != 1
            turned = ", turned as its EXIF orientation says" if is_turned else ""
            raise DataError(
                f"{path}: the {part} is {size[0]}x{size[1]} but the image is "
                f"{expected[0]}x{expected[1]}{turned}; make them the same size.",
                path,
                kind="size",
            )
    return sample
