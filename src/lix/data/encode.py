"""X → the channels that a network sees, for `to_batch` and the checks of a teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.core.errors import unknown
from lix.data.modalities import Depth, Disparity, XSpec
from lix.data.normals import depth_to_normals
from lix.data.options import ENCODINGS, NORMALS, Estimator, Span

ENCODED = ("depth", "disparity")
"""The kinds that are encoded; the other kinds pass as they are."""

NEAR, FAR = 1.0, 200.0
"""Metres where the encodings of metric depth begin and end."""
WIDEST, NARROWEST = 0.2, 0.001
"""Disparities, as a share of the image's width, where those of disparity begin and end."""


def encode(
    x: tv_tensors.Mask,
    encoding: str = "log",
    intrinsics: Tensor | None = None,
    span: Span | None = None,
) -> Tensor:
    """Turn X into a network's input: (C, H, W) float32, nearer = larger, invalid = 0.

    Args:
        x: X of any kind.
        encoding: encoding of depth and disparity. `log` and `inverse` map them into [0, 1]: `log`
            spreads the range evenly over scales, `inverse` favours what is near. `normal` makes
            surface normals of them, `normal-d2nt` and so on by another estimator. Parts joined
            by `+` become channels, as in `log+normal`. The other kinds pass as they are (normals
            keep [-1, 1]).
        intrinsics: (3, 3) camera matrix in pixels, for `normal`.
        span: where `log` and `inverse` begin and end: metres of depth, shares of the image's
            width of disparity; default: 1 to 200 m, 0.001 to 0.2.

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
    return torch.cat([_encoded(x, part, intrinsics, span) for part in parts])


def encoded_channels(x: Sequence[XSpec], encoding: str) -> int:
    """Number of channels that a network sees of one or several X.

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
        (3 if part in NORMALS and kind in ENCODED else channels)
        for kind, channels in x
        for part in (encoding.split("+") if kind in ENCODED else [encoding])
    )


def _encoded(
    x: Depth | Disparity, part: str, intrinsics: Tensor | None, span: Span | None
) -> Tensor:
    values = x.as_subclass(Tensor).float()
    if part in NORMALS:
        return _normals(values if isinstance(x, Depth) else 1 / values, intrinsics, NORMALS[part])
    if isinstance(x, Depth):
        near, far = span or (NEAR, FAR)
        nearness, least = near / values, near / far
    else:
        narrowest, widest = span or (NARROWEST, WIDEST)
        nearness, least = values / (widest * values.shape[-1]), narrowest / widest
    nearness = nearness.clamp_(least, 1.0)
    if part == "inverse":
        return nearness.nan_to_num_(0.0)
    far_for_invalid = nearness.nan_to_num_(least)  # the logarithm of NaN would be slow
    return far_for_invalid.log_().div_(-math.log(least)).add_(1.0)


def _normals(depth: Tensor, intrinsics: Tensor | None, estimator: Estimator) -> Tensor:
    """Surface normals of depth in any unit."""
    if intrinsics is None:
        raise ValueError(
            "Surface normals need the camera's intrinsics, which this data set does not give; "
            "describe them, or set data.x to log."
        )
    normals = depth_to_normals(depth.unsqueeze(0), intrinsics, estimator=estimator)
    return normals.squeeze(0).nan_to_num_(0.0)
