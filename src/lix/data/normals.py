"""Depth → surface normals, by the estimators of SNE-RoadSeg, 3F2N and D2NT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.data.options import Estimator

DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps down and right to half of the eight neighbours; their opposites lead to the others."""

HUGE = 1e30
"""Slope in place of one that is not known; its square is infinite in float32."""

SORTING_NETWORK = (
    ((0, 1), (2, 3), (4, 5), (6, 7)),
    ((0, 2), (1, 3), (4, 6), (5, 7)),
    ((1, 2), (5, 6), (0, 4), (3, 7)),
    ((1, 5), (2, 6)),
    ((1, 4), (3, 6)),
    ((2, 4), (3, 5)),
    ((3, 4),),
)
"""Pairs of eight values to put in order, Batcher's odd-even merge sort."""


@torch.no_grad()
def depth_to_normals(
    depth: Tensor,
    intrinsics: Tensor,
    *,
    estimator: Estimator = "sne",
) -> Tensor:
    """Surface normals in the camera frame (x right, y down, z forward), turned to the camera.

    Args:
        depth: (B, 1, H, W) along the optical axis, in metres or any other unit; values that are not
            positive and finite are holes. It is left untouched.
        intrinsics: (B, 3, 3) or (3, 3) camera matrices in pixels, pixel centres at integers.
        estimator: of the slope along z. `sne`: the mean direction over eight neighbours
            (Fan et al., ECCV 2020); `3f2n-median` and `3f2n-mean`: median or mean of the slope
            itself (Fan et al., 2021); `d2nt`: only from the gradient (Feng et al.,
            2023), here that of inverse depth, which is linear on planes.

    Returns:
        (B, 3, H, W) of unit length in float32, without gradients; NaN in holes and at pixels
        between two of them. At borders and next to holes differences are one-sided; where there
        is no slope the normal is (0, 0, -1).

    Raises:
        ValueError: wrong shapes or an unknown estimator.

    Note:
        Y is computed with f_y; the official SNE takes f_x.
    """
    _check(depth, intrinsics, estimator)
    z = depth.squeeze(1).float()
    hole = ~((z > 0) & z.isfinite())
    k = intrinsics.to(z).expand(len(z), 3, 3)[:, :, :, None, None]
    fx, fy, cx, cy = k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]
    height, width = z.shape[1:]
    u = torch.arange(width, device=z.device) - cx
    v = torch.arange(height, device=z.device).unsqueeze(1) - cy
    inverse = 1 / z.masked_fill(hole, torch.nan)
    du, dv = _gradient(inverse, 2), _gradient(inverse, 1)
    nx, ny = fx * du, fy * dv
    if estimator == "d2nt":
        nz = inverse - du * u - dv * v
    else:
        nx, ny, nz = _filtered(nx, ny, _slopes(inverse, u, v, du, dv), estimator)
    facing = nx * (u / fx) + ny * (v / fy) + nz
    length = (nx.square() + ny.square() + nz.square()).sqrt()
    scale = torch.where(facing > 0, -1.0, 1.0) / length
    normals = torch.stack([nx * scale, ny * scale, nz * scale], dim=1)
    valid = normals.isfinite().all(dim=1, keepdim=True)
    parallel = normals.new_tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1)  # where there is no slope
    unknown = hole | du.isnan() | dv.isnan()
    return normals.where(valid, parallel).masked_fill(unknown.unsqueeze(1), torch.nan)


def _check(depth: Tensor, intrinsics: Tensor, estimator: str) -> None:
    if estimator not in get_args(Estimator):
        choices = ", ".join(get_args(Estimator))
        raise ValueError(f"estimator must be one of {choices}, got {estimator!r}.")
    cameras = ((3, 3), (1, 3, 3), (len(depth), 3, 3))
    if depth.ndim != 4 or depth.shape[1] != 1 or tuple(intrinsics.shape) not in cameras:
        raise ValueError(
            "depth_to_normals takes depth (B, 1, H, W) and intrinsics (3, 3) or (B, 3, 3), "
            f"got {tuple(depth.shape)} and {tuple(intrinsics.shape)}."
        )


def _filtered(
    nx: Tensor, ny: Tensor, estimates: Iterator[Tensor], estimator: Estimator
) -> tuple[Tensor, Tensor, Tensor]:
    """Combine (n_x, n_y) with the estimates of n_z from the neighbours."""
    if estimator == "3f2n-median":
        return nx, ny, _median(estimates)
    if estimator == "3f2n-mean":
        return nx, ny, _mean(estimates)
    flat = nx.square() + ny.square()
    along, across = torch.zeros_like(nx), torch.zeros_like(nx)
    for nz in estimates:  # adds (n_x, n_y, n_z) at unit length
        nz.nan_to_num_(HUGE, HUGE, HUGE)  # unknown: its square is infinite, its share 0
        length = torch.addcmul(flat, nz, nz).rsqrt_()
        across += length
        along.addcmul_(nz, length)
    return nx * across, ny * across, along


def _slopes(inverse: Tensor, u: Tensor, v: Tensor, du: Tensor, dv: Tensor) -> Iterator[Tensor]:
    """n_z = -(n_x ΔX + n_y ΔY) / ΔZ towards each neighbour; not finite where it is unknown.

    With X = Z·u / f_x and D = 1 / Z, ΔX / ΔZ is (u - D·δu / (D' - D)) / f_x, δu the step aside.
    """
    reach = F.pad(inverse, (1, 1, 1, 1), value=torch.nan)
    central = du * u + dv * v
    for down, right in DIRECTIONS:
        step = (right * du).add_(dv, alpha=down).mul_(inverse)
        ahead, behind = (_moved(reach, sign * down, sign * right) for sign in (1, -1))
        yield (ahead - inverse).reciprocal_().mul_(step).sub_(central)
        yield (inverse - behind).reciprocal_().mul_(step).sub_(central)


def _moved(reach: Tensor, down: int, right: int) -> Tensor:
    """A neighbour of every pixel, out of a map with one more pixel on all sides."""
    height, width = (side - 2 for side in reach.shape[1:])
    return reach[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]


def _gradient(f: Tensor, axis: int) -> Tensor:
    """Central difference along an axis; one-sided where a neighbour is missing, NaN where both."""
    pad = (1, 1) if axis == 2 else (0, 0, 1, 1)
    step = F.pad(f, pad, value=torch.nan).diff(dim=axis)
    before, after = step.narrow(axis, 0, f.shape[axis]), step.narrow(axis, 1, f.shape[axis])
    left, right = before.where(before.isfinite(), after), after.where(after.isfinite(), before)
    return (left + right).mul_(0.5)


def _mean(estimates: Iterator[Tensor]) -> Tensor:
    """Mean of the finite values; NaN where there is none."""
    total = next(estimates)
    count = _zero_invalid(total).byte()
    for nz in estimates:
        count += _zero_invalid(nz)
        total += nz
    return total.div_(count)


def _zero_invalid(nz: Tensor) -> Tensor:
    """Set an estimate to 0 where it is not finite; return where it is."""
    unknown = nz.nan_to_num_(torch.inf, torch.inf, torch.inf) == torch.inf
    nz.masked_fill_(unknown, 0.0)
    return unknown.logical_not_()


def _median(estimates: Iterator[Tensor]) -> Tensor:
    """Median of the finite values among eight; the mean of the middle two of an even number.

    Other values become -∞ and +∞ in turn, so that the middle of all eight is that of the finite.
    (`torch.nanmedian` would give the lower of the middle two.)
    """
    ordered: list[Tensor] = []
    odd = None
    for nz in estimates:
        unknown = nz.nan_to_num_(torch.inf, torch.inf, torch.inf) == torch.inf
        odd = torch.zeros_like(unknown) if odd is None else odd
        ordered.append(nz.masked_fill_(unknown & ~odd, -torch.inf))
        odd ^= unknown
    assert odd is not None
    spare = torch.empty_like(ordered[0])
    for layer in SORTING_NETWORK:
        for i, j in layer:
            torch.minimum(ordered[i], ordered[j], out=spare)
            torch.maximum(ordered[i], ordered[j], out=ordered[j])
            ordered[i], spare = spare, ordered[i]
    middle = (ordered[3] + ordered[4]).mul_(0.5)
    return torch.where(odd, ordered[4], middle)
