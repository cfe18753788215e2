"""DIST: predictions correlate with the teacher's, per pixel and per class (Huang et al., 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.checks import check_logits, check_positive
from lix.methods.parts.masks import valid_mask
from lix.methods.parts.precision import full_precision


def pearson(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Correlation of `a` and `b` along `dim`; 0 where either is constant."""
    a, b = (v - v.mean(dim=dim, keepdim=True) for v in (a, b))
    squares = (v.square().sum(dim=dim).clamp(min=1e-30) for v in (a, b))
    return (a * b).sum(dim=dim) / (math.prod(s.sqrt() for s in squares) + 1e-8)


@full_precision
def dist_loss(
    zs: Tensor,
    zt: Tensor,
    *,
    inter_weight: float = 1.0,
    intra_weight: float = 1.0,
    temperature: float = 1.0,
    valid: Tensor | None = None,
) -> Tensor:
    """β·(1 - mean over pixels of r over classes) + γ·(1 - mean over classes of r over pixels).

    r is Pearson's correlation of the two class distributions. The second runs over all valid
    pixels of the batch together.

    Args:
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K); the teacher's are constants.
        inter_weight, intra_weight: β and γ.
        temperature: τ; there is no factor τ², as in the authors' segmentation code.
        valid: (B, H, W) or (B,), true where the loss counts; None: everywhere.

    Raises:
        ValueError: shapes differ.

    Source: Huang et al., NeurIPS 2022; hunto/DIST_KD `segmentation/losses/dist_kd.py`.
    """
    check_logits(zs, zt, valid)
    check_positive(temperature=temperature)
    pixels = None if valid is None or valid.all() else valid.flatten().nonzero().squeeze(1)
    ys, yt = (_probabilities(z, pixels, temperature) for z in (zs, zt.detach()))
    if not ys.numel():
        return ys.sum()
    inter, intra = (1 - pearson(ys, yt, dim).mean() for dim in (0, 1))
    return inter_weight * inter + intra_weight * intra


def _probabilities(z: Tensor, pixels: Tensor | None, temperature: float) -> Tensor:
    """(K, N) class probabilities of the pixels with these indices."""
    rows = z.movedim(1, 0).flatten(1)
    rows = rows if pixels is None else rows.index_select(1, pixels)
    return (rows / temperature if temperature != 1 else rows).softmax(dim=0)


class DIST(LogitMethod):
    """Distils how classes relate within a pixel and pixels within a class.

    Args:
        weight: factor of the loss.
        inter_weight, intra_weight: β and γ.
        temperature: τ.
    """

    citation = "huang2022dist"
    presets = {
        "official": {"weight": 1.0},
        "official-imagenet": {"weight": 2.0},
    }

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 1.0,
        inter_weight: float = 1.0,
        intra_weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(temperature=temperature)
        self.weight, self.temperature = weight, temperature
        self.inter_weight, self.intra_weight = inter_weight, intra_weight

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        return dist_loss(
            zs,
            zt,
            inter_weight=self.inter_weight,
            intra_weight=self.intra_weight,
            temperature=self.temperature,
            valid=valid_mask(target),
        )
