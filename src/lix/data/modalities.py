"""The kinds of X, the second modality, and what torchvision's transforms do to each.

Every kind is a `tv_tensors.Mask` of shape (C, H, W), so torchvision's transforms do not change its
colours; resizing takes the nearest value, never a mixture. NaN marks invalid pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lix.core.errors import unknown


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
