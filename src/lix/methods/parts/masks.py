"""Which pixels and positions count, and means, norms and sizes of maps that respect it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.types import IGNORE_INDEX
from lix.methods.parts.precision import full_precision


def valid_mask(target: Tensor) -> Tensor:
    """True where `target` holds a class, false where it is 255."""
    return target != IGNORE_INDEX


def zero_outside(maps: Tensor, valid: Tensor | None) -> Tensor:
    """Zero the (B, C, …) `maps` where `valid` (B, …) is false, so that not even NaN leaks out."""
    return maps if valid is None else maps.masked_fill(~valid.unsqueeze(1), 0.0)


def masked_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of `values` where `valid` is true; 0, still connected to the graph, where none is.

    >>> masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([True, False]))
    tensor(1.)
    """
    if valid is None:
        return values.mean()
    return values.where(valid, values.new_zeros(())).sum() / valid.sum().clamp(min=1)


def masked_avg_pool(f: Tensor, valid: Tensor | None = None) -> Tensor:
    """(B, C) means over the valid positions of (B, C, h, w); vectors (B, C) stay."""
    if f.ndim == 2:
        return f
    if valid is None:
        return f.mean(dim=(2, 3))
    mask = valid.unsqueeze(1)
    return (f.masked_fill(~mask, 0.0)).sum(dim=(2, 3)) / mask.sum(dim=(2, 3)).clamp(min=1)


@full_precision
def mean_squared(a: Tensor, b: Tensor, valid: Tensor | None) -> Tensor:
    """Mean over valid positions and channels of (a - b)²; a, b: (B, C, h, w)."""
    if valid is None:
        return F.mse_loss(a, b)
    return masked_mean((a - b).square().mean(dim=1), valid)


def l2_normalize(x: Tensor, dim: int = -1) -> Tensor:
    """`x` divided by its Euclidean length along `dim`; 0, with gradient 0, where that is 0."""
    length = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return (x / length.clamp(min=1e-12)).masked_fill(length == 0, 0.0)


def match_size(fs: Tensor, ft: Tensor) -> tuple[Tensor, Tensor]:
    """Resize the larger of two maps (B, C, H, W) to the smaller one's H x W, bilinearly."""
    size = tuple(min(s, t) for s, t in zip(fs.shape[-2:], ft.shape[-2:], strict=True))
    return _resize(fs, size), _resize(ft, size)


def _resize(f: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(f.shape[-2:]) == size:
        return f
    return F.interpolate(f, size=size, mode="bilinear", align_corners=False)


def downsample_mask(valid: Tensor, size: Sequence[int]) -> Tensor:
    """(B, h, w) positions that cover at least one true pixel of `valid` (B, H, W)."""
    batch, height, width = valid.shape
    h, w = size
    if height % h or width % w:
        return F.adaptive_max_pool2d(valid.float().unsqueeze(1), [h, w]).squeeze(1) > 0
    rows = valid.view(batch, h, height // h, width).unbind(dim=2)
    columns = reduce(torch.logical_or, rows).view(batch, h, w, width // w).unbind(dim=3)
    return reduce(torch.logical_or, columns)


class MaskPyramid:
    """The mask of a batch's pixels at the sizes of feature maps, each computed once.

    Args:
        valid: (B, H, W), true where a pixel counts.
    """

    def __init__(self, valid: Tensor) -> None:
        self.valid = valid
        self._by_size: dict[tuple[int, ...], Tensor | None] = {}

    def at(self, f: Tensor) -> Tensor | None:
        """(B, h, w) mask of the map `f`, true where a position covers a pixel that counts.

        None where all positions do, which is the common and faster case.
        """
        size = tuple(f.shape[-2:])
        if size not in self._by_size:
            mask = downsample_mask(self.valid, size)
            self._by_size[size] = None if mask.all() else mask
        return self._by_size[size]


class MaskedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of (B, C, h, w) maps whose statistics count only valid positions.

    Other positions come out as 0. A single position has no variance: it is scaled and shifted only.
    """

    def forward(self, f: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalise; `valid` (B, h, w) is true where a position counts, None: everywhere."""
        several = f.shape[0] * f.shape[2] * f.shape[3] > 1
        if valid is None and several:
            return super().forward(f)
        mask = valid if valid is not None else f.new_ones(f[:, 0].shape, dtype=torch.bool)
        rows = f.movedim(1, -1)[mask]
        normed = self._rows(rows) if len(rows) > 1 or not self.training else self._affine(rows)
        whole = torch.zeros_like(f.movedim(1, -1))
        return whole.masked_scatter(mask.unsqueeze(-1), normed).movedim(-1, 1)

    def _rows(self, rows: Tensor) -> Tensor:
        return super().forward(rows.mT[None, :, :, None]).squeeze(-1).squeeze(0).mT

    def _affine(self, rows: Tensor) -> Tensor:
        return rows * self.weight + self.bias
