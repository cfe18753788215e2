"""CWKD: the student imitates where the teacher sees each class (Shu et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lix.methods.parts import fused
from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.checks import check_logits, check_positive
from lix.methods.parts.masks import valid_mask
from lix.methods.parts.precision import full_precision


@full_precision
def cwkd_loss(
    zs: Tensor, zt: Tensor, *, temperature: float = 4.0, valid: Tensor | None = None
) -> Tensor:
    """T² · mean over samples and channels of KL(φ(z_t) ‖ φ(z_s)), φ the softmax over positions.

    Args:
        zs, zt: student and teacher logits, or maps of as many channels, (B, K, H, W); the
            teacher's are constants. Flat logits (B, K) have one position, so their loss is 0.
        temperature: T.
        valid: (B, H, W), true where a position counts; None: everywhere. Samples without any
            do not count.

    Raises:
        ValueError: shapes differ.

    Source: Shu et al., ICCV 2021; irfanICMLL/TorchDistiller `CriterionCWD`. Equal in value;
    theirs takes the logarithm of a softmax and overflows.
    """
    check_logits(zs, zt, valid)
    check_positive(temperature=temperature)
    samples, classes = zs.shape[:2]
    zs, zt = (z.reshape(samples, classes, -1) / temperature for z in (zs, zt.detach()))
    valid = torch.ones_like(zs[:, 0]).bool() if valid is None else valid.reshape(samples, -1)
    losses = []
    for s, t, mask in zip(zs, zt, valid, strict=True):
        log_s, log_t = (z[:, mask].log_softmax(dim=1) for z in (s, t))
        p_t = log_t.exp()
        # Where the teacher's share underflows to 0, its logarithm is -inf: 0 · log 0 counts as 0.
        kl = (p_t * (log_t - log_s).masked_fill(p_t == 0, 0.0)).sum(dim=1)
        losses.append(kl * mask.any())
    labelled = valid.any(dim=1).sum().clamp(min=1)
    return temperature**2 * torch.stack(losses).mean(dim=1).sum() / labelled


class CWKD(LogitMethod):
    """Distils the spatial distribution of every class.

    Args:
        weight: factor of the loss.
        temperature: T.
    """

    citation = "shu2021channel"
    presets = {"official": {"weight": 3.0, "temperature": 4.0}}

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.125,
        temperature: float = 4.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(temperature=temperature)
        self.weight, self.temperature = weight, temperature

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        return fused.cwkd_loss(zs, zt, temperature=self.temperature, valid=valid_mask(target))
