"""X: what the teacher sees beside RGB, and how it becomes a network's input.

Every kind is a `tv_tensors.Mask` of shape (C, H, W), so that torchvision's transforms resample it
to the nearest value and leave its colours alone. NaN marks invalid pixels.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

Encoding = Literal["log", "inverse"]

NEAR, FAR = 1.0, 200.0
"""Metres that map to 1 and to 0 in the encodings of metric depth."""
WIDEST, NARROWEST = 0.2, 0.001
"""Disparities, as a share of the image's width, that map to 1 and to 0."""


class Depth(tv_tensors.Mask):
    """Metric depth along the optical axis, (1, H, W) float32 metres."""


class Disparity(tv_tensors.Mask):
    """Horizontal shift between the views of a stereo pair, (1, H, W) float32 pixels."""


class InverseDepth(tv_tensors.Mask):
    """Relative inverse depth, (1, H, W) in [0, 1], 1 = near; no unit (monocular networks)."""


class Normal(tv_tensors.Mask):
    """Unit surface normals in the camera frame (x right, y down, z forward), (3, H, W)."""


class Channels(tv_tensors.Mask):
    """Any other co-registered measurement in [0, 1], such as thermal, (C, H, W)."""


KINDS: dict[str, type[tv_tensors.Mask]] = {
    "depth": Depth,
    "disparity": Disparity,
    "inverse_depth": InverseDepth,
    "normal": Normal,
    "channels": Channels,
}


def encode(x: tv_tensors.Mask, encoding: Encoding = "log") -> Tensor:
    """Turn X into a network's input: (C, H, W) float32 in [0, 1], nearer = larger, invalid = 0.

    Args:
        x: one of the kinds above.
        encoding: of depth and disparity; `log` spreads the range evenly over scales, `inverse`
            favours what is near. The other kinds pass as they are (normals keep [-1, 1]).

    Raises:
        ValueError: unknown encoding.

    >>> encode(Depth(torch.tensor([[[1.0, float("nan"), 200.0]]]))).squeeze()
    tensor([1., 0., 0.])
    """
    if encoding not in ("log", "inverse"):
        raise ValueError(f"The encoding of X must be 'log' or 'inverse', got {encoding!r}.")
    values = x.as_subclass(Tensor)
    if isinstance(x, Depth):
        nearness, least = NEAR / values, NEAR / FAR
    elif isinstance(x, Disparity):
        nearness, least = values / (WIDEST * values.shape[-1]), NARROWEST / WIDEST
    else:
        return values.nan_to_num(0.0)
    nearness = nearness.clamp(least, 1.0)
    encoded = nearness if encoding == "inverse" else 1 - nearness.log() / math.log(least)
    return encoded.nan_to_num(0.0)


@F.register_kernel(F.horizontal_flip, Normal)  # type: ignore[untyped-decorator]
def _flip_normal(inpt: Normal, **_: Any) -> Normal:  # noqa: ANN401
    flipped = F.horizontal_flip_image(inpt.as_subclass(Tensor))
    return _rewrap(flipped * flipped.new_tensor([-1.0, 1.0, 1.0]).view(3, 1, 1), inpt)


@F.register_kernel(F.resize, Disparity)  # type: ignore[untyped-decorator]
def _resize_disparity(inpt: Disparity, size: list[int], **kwargs: Any) -> Disparity:  # noqa: ANN401
    kwargs.pop("antialias", None)
    resized = F.resize_mask(inpt.as_subclass(Tensor), size, **kwargs)
    return _rewrap(resized * (resized.shape[-1] / inpt.shape[-1]), inpt)


@F.register_kernel(F.resized_crop, Disparity)  # type: ignore[untyped-decorator]
def _resized_crop_disparity(
    inpt: Disparity, top: int, left: int, height: int, width: int, size: list[int], **_: Any
) -> Disparity:
    crop = F.crop_mask(inpt.as_subclass(Tensor), top, left, height, width)
    return _resize_disparity(_rewrap(crop, inpt), size)


def _rewrap(values: Tensor, like: tv_tensors.Mask) -> Any:  # noqa: ANN401
    return tv_tensors.wrap(values, like=like)


def as_kind(kind: str, values: Tensor) -> tv_tensors.Mask:
    """Wrap (C, H, W) values as the named kind of X; relative inverse depth is scaled per image.

    Monocular networks fix neither scale nor shift, so their 2nd and 98th percentile become 0 and
    1; infinities become NaN.
    """
    values = torch.where(values.isfinite(), values, torch.nan)
    if kind == "inverse_depth":
        low, high = values[values.isfinite()].quantile(torch.tensor([0.02, 0.98]))
        values = ((values - low) / (high - low).clamp(min=1e-12)).clamp(0.0, 1.0)
    return KINDS[kind](values)
