"""VID: the student's map says as much as it can about the teacher's (Ahn et al., CVPR 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.checks import check_maps
from lix.methods.parts.masks import masked_mean
from lix.methods.parts.precision import full_precision

EPS = 1e-5


@full_precision
def vid_loss(mean: Tensor, ft: Tensor, log_scale: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """Mean of ½·[(μ - f_t)² / σ² + log σ²], σ² = softplus(a) + 1e-5 per channel.

    The negative log-likelihood of the teacher's map under a Gaussian; it may be negative.

    Args:
        mean: μ, (B, C, H, W), predicted from the student.
        ft: (B, C, H, W).
        log_scale: a, (C,).
        valid: (B, H, W) positions that count; None: all.

    Raises:
        ValueError: shapes do not fit.

    Source: Ahn et al., CVPR 2019; HobbitLong/RepDistiller `VID.py`.
    """
    check_maps(mean, ft, valid, same_shape=True)
    variance = (F.softplus(log_scale) + EPS).view(1, -1, 1, 1)
    nll = 0.5 * ((mean - ft.detach()).square() / variance + variance.log())
    return nll.mean() if valid is None else masked_mean(nll.mean(dim=1), valid)


class GaussianHead(nn.Module):
    """Predicts the teacher's map: μ by three 1x1 convolutions, σ² by a parameter per channel."""

    def __init__(self, inputs: int, outputs: int, variance: float) -> None:
        super().__init__()
        self.regressor = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
        )
        inverse_softplus = variance - EPS + math.log(-math.expm1(EPS - variance))
        self.log_scale = nn.Parameter(torch.full((outputs,), inverse_softplus))

    @full_precision
    def forward(self, fs: Tensor, ft: Tensor, valid: Tensor | None = None) -> Tensor:
        """The loss of a pair of maps (B, C_S, H, W) and (B, C_T, H, W)."""
        return vid_loss(self.regressor(fs), ft, self.log_scale, valid=valid)


class VID(FeatureMethod):
    """Distils feature maps by a Gaussian whose variance per channel is learned.

    Args:
        weight: factor of the loss.
        variance: σ² at the start.

    Note:
        mdistiller keeps the variances out of its optimiser: there they stay at 5.
    """

    presets = {"repdistiller": {"weight": 1.0}}
    citation = "ahn2019variational"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 10.0,
        variance: float = 5.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        if variance <= EPS:
            raise ValueError(f"variance must be above {EPS}, got {variance}.")
        self.weight = weight
        self.heads = nn.ModuleList(
            GaussianHead(p.student.channels, p.teacher.channels, variance) for p in pairs
        )

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        loss: Tensor = self.heads[maps.pair](maps.student, maps.teacher, maps.mask)
        return loss
