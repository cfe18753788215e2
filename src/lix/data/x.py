"""X: what the teacher sees beside RGB, and how it becomes a network's input.

Every kind is a `tv_tensors.Mask` of shape (C, H, W), so torchvision's transforms leave its colours
alone; resizing takes the nearest value, never a mixture. NaN marks invalid pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lix.catalog import unknown
from lix.data.normals import depth_to_normals
from lix.data.options import ENCODINGS

ENCODED = ("depth", "disparity")
"""The kinds that are encoded; the others pass as they are."""

NEAR, FAR = 1.0, 200.0
"""Metres where the encodings of metric depth begin and end."""
WIDEST, NARROWEST = 0.2, 0.001
"""Disparities, as a share of the image's width, where those of disparity begin and end."""


class X(tv_tensors.Mask):
    """What all kinds share."""

    channels: int | None = 1
    """How many channels the kind has; None where the data say."""


class Depth(X):
    """Metric depth along the optical axis, (1, H, W) float32 metres."""


class Disparity(X):
    """Horizontal shift between the views of a stereo pair, (1, H, W) float32 pixels."""


class InverseDepth(X):
    """Relative inverse depth, (1, H, W) in [0, 1], 1 = near; no unit (monocular networks)."""


class Normal(X):
    """Unit surface normals in the camera frame (x right, y down, z forward), (3, H, W)."""

    channels = 3


class Channels(X):
    """Any other co-registered measurement in [0, 1], such as thermal, (C, H, W)."""

    channels = None


KINDS: dict[str, type[X]] = {
    "depth": Depth,
    "disparity": Disparity,
    "inverse_depth": InverseDepth,
    "normal": Normal,
    "channels": Channels,
}


class XSpec(NamedTuple):
    """What one X is."""

    kind: str
    """A key of `KINDS`."""
    channels: int


def as_kind(kind: str, values: Tensor) -> X:
    """Wrap (C, H, W) values as the named kind of X in float32; what cannot be true becomes NaN.

    That is infinities, depth that is not positive and negative disparity. Monocular networks fix
    neither scale nor shift, so the 2nd and 98th percentile of relative inverse depth become 0 and
    1, image by image.

    Raises:
        ValueError: unknown kind, or not the kind's number of channels.

    >>> as_kind("depth", torch.tensor([[[2, 0, -1]]])).squeeze()
    tensor([2., nan, nan])
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of X", kind, list(KINDS)))
    expected = KINDS[kind].channels
    if values.ndim != 3 or expected not in (None, len(values)):
        raise ValueError(f"{kind} is ({expected or 'C'}, H, W), got {tuple(values.shape)}.")
    values = values.float()
    valid = values.isfinite()
    if kind == "depth":
        valid &= values > 0
    elif kind == "disparity":
        valid &= values >= 0
    values = values.where(valid, torch.nan)
    if kind == "inverse_depth" and valid.any():
        low, high = np.percentile(values[valid].numpy(), (2, 98))
        values = ((values - float(low)) / max(float(high - low), 1e-12)).clamp(0.0, 1.0)
    return KINDS[kind](values)


def encode(x: tv_tensors.Mask, encoding: str = "log", intrinsics: Tensor | None = None) -> Tensor:
    """Turn X into a network's input: (C, H, W) float32, nearer = larger, invalid = 0.

    Args:
        x: one of the kinds above.
        encoding: of depth and disparity. `log` and `inverse` map them into [0, 1]: `log` spreads
            the range evenly over scales, `inverse` favours what is near. `normal` makes surface
            normals of them. Parts joined by `+` become channels, as in `log+normal`. The other
            kinds pass as they are (normals keep [-1, 1]).
        intrinsics: (3, 3), for `normal`.

    Raises:
        ValueError: unknown encoding, or `normal` without intrinsics.

    >>> encode(Depth([[[1.0, float("nan"), 200.0]]])).squeeze()
    tensor([1., 0., 0.])
    """
    parts = encoding.split("+")
    for part in parts:
        if part not in ENCODINGS:
            raise ValueError(unknown("encoding of X", part, ENCODINGS))
    if not isinstance(x, (Depth, Disparity)):
        return x.as_subclass(Tensor).float().nan_to_num(0.0)
    return torch.cat([_encoded(x, part, intrinsics) for part in parts])


def encoded_channels(x: Sequence[XSpec], encoding: str) -> int:
    """Channels that a network sees of one or several X.

    Raises:
        ValueError: `normal` where there is nothing to make normals of.

    >>> encoded_channels([XSpec("depth", 1), XSpec("channels", 1)], "log+normal")
    5
    """
    if "normal" in encoding and not any(kind in (*ENCODED, "normal") for kind, _ in x):
        raise ValueError(
            "Surface normals are made of depth or disparity, but X is "
            f"{', '.join(kind for kind, _ in x)}; set data.x to log."
        )
    return sum(
        (3 if part == "normal" and kind in ENCODED else channels)
        for kind, channels in x
        for part in (encoding.split("+") if kind in ENCODED else [encoding])
    )


def _encoded(x: Depth | Disparity, part: str, intrinsics: Tensor | None) -> Tensor:
    values = x.as_subclass(Tensor).float()
    if part == "normal":
        return _normals(values if isinstance(x, Depth) else 1 / values, intrinsics)
    if isinstance(x, Depth):
        nearness, least = NEAR / values, NEAR / FAR
    else:
        nearness, least = values / (WIDEST * values.shape[-1]), NARROWEST / WIDEST
    nearness = nearness.clamp_(least, 1.0)
    if part == "inverse":
        return nearness.nan_to_num_(0.0)
    far_for_invalid = nearness.nan_to_num_(least)  # the logarithm of NaN would be slow
    return far_for_invalid.log_().div_(-math.log(least)).add_(1.0)


def _normals(depth: Tensor, intrinsics: Tensor | None) -> Tensor:
    """Of depth in any unit."""
    if intrinsics is None:
        raise ValueError(
            "Surface normals need the camera's intrinsics, which this data set does not give; "
            "describe them, or set data.x to log."
        )
    return depth_to_normals(depth.unsqueeze(0), intrinsics).squeeze(0).nan_to_num_(0.0)


_Part = TypeVar("_Part", bound=tv_tensors.Mask)


@F.register_kernel(F.resize, X)
def _resize(inpt: X, size: list[int] | None, *, max_size: int | None = None, **_: object) -> X:
    """Nearest by pixel centres, as bilinear images are; torchvision's masks are half a pixel off.

    Disparity grows with the width.
    """
    resized: Tensor = F.resize_image(
        inpt.as_subclass(Tensor),
        size,
        interpolation=InterpolationMode.NEAREST_EXACT,
        max_size=max_size,
        antialias=False,
    )
    if isinstance(inpt, Disparity):
        resized = resized * (resized.shape[-1] / inpt.shape[-1])
    return _rewrap(resized, inpt)


@F.register_kernel(F.resized_crop, X)
def _resized_crop(
    inpt: X, top: int, left: int, height: int, width: int, size: list[int], **_: object
) -> X:
    return _resize(_rewrap(F.crop(inpt.as_subclass(Tensor), top, left, height, width), inpt), size)


@F.register_kernel(F.horizontal_flip, Normal)
def _flip_normal(inpt: Normal, **_: object) -> Normal:
    flipped = inpt.as_subclass(Tensor).flip(-1)
    return _rewrap(flipped * flipped.new_tensor([-1.0, 1.0, 1.0]).view(3, 1, 1), inpt)


def _rewrap(values: Tensor, like: _Part) -> _Part:
    wrapped: Any = tv_tensors.wrap(values, like=like)
    return wrapped
