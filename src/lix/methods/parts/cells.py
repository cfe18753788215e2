"""Feature maps of student and teacher: their cells, sizes, and norms over labelled cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.types import IGNORE_INDEX
from lix.methods.parts.pixels import masked_mean
from lix.methods.parts.precision import full_precision


def check_maps(fs: Tensor, ft: Tensor, valid: Tensor | None = None, *, alike: bool = False) -> None:
    """Raise a ValueError unless two maps can be compared.

    Args:
        fs, ft: must be (B, C, H, W) with one B.
        valid: must be (B, h, w), h and w the smaller of the maps' sizes.
        alike: the maps must have one shape.
    """
    shapes = f"{tuple(fs.shape)} and {tuple(ft.shape)}"
    if fs.ndim != 4 or ft.ndim != 4 or len(fs) != len(ft):
        raise ValueError(f"Maps must be (B, C, H, W) with one B, got {shapes}.")
    if alike and fs.shape != ft.shape:
        raise ValueError(f"The maps must have one shape, got {shapes}.")
    cells = (len(fs), *(min(s, t) for s, t in zip(fs.shape[2:], ft.shape[2:], strict=True)))
    if valid is not None and (tuple(valid.shape) != cells or valid.is_floating_point()):
        raise ValueError(
            f"valid must be boolean of shape {cells}, got {valid.dtype} {tuple(valid.shape)}."
        )


def match_size(fs: Tensor, ft: Tensor) -> tuple[Tensor, Tensor]:
    """Resize the larger of two maps (B, C, H, W) to the smaller one's H x W, bilinearly."""
    size = tuple(min(s, t) for s, t in zip(fs.shape[-2:], ft.shape[-2:], strict=True))
    return _resize(fs, size), _resize(ft, size)


def _resize(f: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(f.shape[-2:]) == size:
        return f
    return F.interpolate(f, size=size, mode="bilinear", align_corners=False)


def valid_cells(target: Tensor, size: Sequence[int], ignore_index: int = IGNORE_INDEX) -> Tensor:
    """(B, h, w) feature cells that cover at least one labelled pixel of `target` (B, H, W)."""
    return covering(target != ignore_index, size)


def covering(valid: Tensor, size: Sequence[int]) -> Tensor:
    """(B, h, w) cells that cover at least one true pixel of `valid` (B, H, W)."""
    batch, height, width = valid.shape
    h, w = size
    if height % h or width % w:
        return F.adaptive_max_pool2d(valid.float().unsqueeze(1), [h, w]).squeeze(1) > 0
    rows = valid.view(batch, h, height // h, width).unbind(dim=2)
    columns = reduce(torch.logical_or, rows).view(batch, h, w, width // w).unbind(dim=3)
    return reduce(torch.logical_or, columns)


def unit(x: Tensor, dim: int = -1) -> Tensor:
    """`x` divided by its Euclidean length along `dim`; 0, with gradient 0, where that is 0."""
    length = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return (x / length.clamp(min=1e-12)).masked_fill(length == 0, 0.0)


@full_precision
def mean_squared(a: Tensor, b: Tensor, valid: Tensor | None) -> Tensor:
    """Mean over valid cells and channels of (a - b)²; a, b: (B, C, h, w)."""
    if valid is None:
        return F.mse_loss(a, b)
    return masked_mean((a - b).square().mean(dim=1), valid)


def pooled(f: Tensor, valid: Tensor | None = None) -> Tensor:
    """(B, C) means over the valid positions of (B, C, h, w); vectors (B, C) stay."""
    if f.ndim == 2:
        return f
    if valid is None:
        return f.mean(dim=(2, 3))
    cells = valid.unsqueeze(1)
    return (f.masked_fill(~cells, 0.0)).sum(dim=(2, 3)) / cells.sum(dim=(2, 3)).clamp(min=1)


class CellNorm(nn.BatchNorm2d):
    """Batch norm of (B, C, h, w) maps whose statistics count valid cells alone.

    Other cells come out as 0. A single cell has no variance: it is scaled and shifted only.
    """

    def forward(self, f: Tensor, cells: Tensor | None = None) -> Tensor:
        """Normalise; `cells` (B, h, w) is true where a cell counts, None: everywhere."""
        several = f.shape[0] * f.shape[2] * f.shape[3] > 1
        if cells is None and several:
            return super().forward(f)
        counted = cells if cells is not None else f.new_ones(f[:, 0].shape, dtype=torch.bool)
        rows = f.movedim(1, -1)[counted]
        normed = self._rows(rows) if len(rows) > 1 or not self.training else self._affine(rows)
        whole = torch.zeros_like(f.movedim(1, -1))
        return whole.masked_scatter(counted.unsqueeze(-1), normed).movedim(-1, 1)

    def _rows(self, rows: Tensor) -> Tensor:
        return super().forward(rows.mT[None, :, :, None]).squeeze(-1).squeeze(0).mT

    def _affine(self, rows: Tensor) -> Tensor:
        return rows * self.weight + self.bias
