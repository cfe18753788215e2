"""AT: the student's attention maps become the teacher's (Zagoruyko and Komodakis, ICLR 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lix.methods.parts.base import FeatureMethod, FeaturePair, Maps
from lix.methods.parts.cells import check_maps, match_size, unit
from lix.methods.parts.pixels import blank, masked_mean, positive, slice_length
from lix.methods.parts.precision import full_precision


def attention(f: Tensor, p: int = 2, valid: Tensor | None = None) -> Tensor:
    """(B, H·W) mean over channels of f^p, of unit length per sample."""
    energy: Tensor = _Energy.apply(blank(f, valid), p)
    scale = energy.detach().abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    return unit((energy / scale).flatten(1))  # scaled first, so that squares do not overflow


class _Energy(torch.autograd.Function):
    """Mean over channels of f^p, some channels at a time."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, p: int) -> Tensor:
        ctx.save_for_backward(f)
        ctx.p = p
        energy = torch.zeros_like(f[:, 0])
        for piece in f.split(slice_length(f, energy.numel()), dim=1):
            energy += piece.pow(p).sum(dim=1)
        return energy / f.shape[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (f,) = ctx.saved_tensors
        slope = (upstream * (ctx.p / f.shape[1])).unsqueeze(1)
        return (f if ctx.p == 2 else f.pow(ctx.p - 1)) * slope, None


@full_precision
def at_loss(fs: Tensor, ft: Tensor, *, p: int = 2, valid: Tensor | None = None) -> Tensor:
    """Mean over samples and positions of (Q_s - Q_t)², Q the attention map of unit length.

    Args:
        fs, ft: (B, C, H, W) maps of any channels; the larger is resized to the smaller.
        p: exponent; 2 officially; an odd one keeps the signs.
        valid: (B, h, w) positions of the smaller map that count; None: all.

    Raises:
        ValueError: shapes do not fit.

    Source: Zagoruyko and Komodakis, ICLR 2017; szagoruyko/attention-transfer `utils.py`. The
    paper writes the length of the difference, the code its mean square, which shrinks as the map
    grows.
    """
    check_maps(fs, ft, valid)
    fs, ft = match_size(fs, ft)
    difference = attention(fs, p, valid) - attention(ft.detach(), p, valid)
    return masked_mean(difference.square(), None if valid is None else valid.flatten(1))


class AT(FeatureMethod):
    """Distils where features are strong, whatever their channels.

    Args:
        weight: factor of the loss beside the cross-entropy.
        p: exponent of the attention map.
        size_free: sum over positions instead of the official mean, so that the weight does not
            depend on the size of the map.
    """

    presets = {
        "official": {"weight": 1000.0, "size_free": False},
        "cirkd": {"weight": 10000.0, "size_free": False},
    }
    citation = """@inproceedings{zagoruyko2017paying,
  title     = {Paying More Attention to Attention: Improving the Performance of Convolutional
               Neural Networks via Attention Transfer},
  author    = {Zagoruyko, Sergey and Komodakis, Nikos},
  booktitle = {ICLR},
  year      = {2017}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.8,
        p: int = 2,
        size_free: bool = True,
    ) -> None:
        super().__init__(pairs, num_classes)
        positive(p=p)
        self.weight, self.p, self.size_free = weight, p, size_free

    def pair_loss(self, maps: Maps) -> Tensor:
        loss = at_loss(maps.student, maps.teacher, p=self.p, valid=maps.cells)
        return loss * maps.cells_per_sample if self.size_free else loss
