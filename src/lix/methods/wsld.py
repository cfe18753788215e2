"""WSLD: soft labels count where the student lags behind the teacher (Zhou et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.methods.parts import fused
from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.checks import check_labels, check_logits, check_positive
from lix.methods.parts.masks import masked_mean, zero_outside
from lix.methods.parts.precision import full_precision


@full_precision
def wsld_loss(
    zs: Tensor,
    zt: Tensor,
    target: Tensor,
    *,
    temperature: float = 2.0,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """T² · mean over pixels of w · CE(softmax(z_t/T), softmax(z_s/T)).

    w = 1 - exp(-CE_s / (CE_t + 1e-7)), the two cross-entropies with the label at T = 1; w is a
    constant to the gradient. The soft term is a cross-entropy, not a divergence: it is not 0
    where student and teacher agree.

    Args:
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K); the teacher's are constants.
        target: (B, H, W) or (B,) labels.
        temperature: T.
        ignore_index: pixels with this label do not count.

    Raises:
        ValueError: shapes differ, a label outside [0, K).

    Source: Zhou et al., ICLR 2021; bellymonster/Weighted-Soft-Label-Distillation
    `knowledge_distiller.py`, there with 1000 classes hard-coded.
    """
    check_logits(zs, zt, target)
    check_positive(temperature=temperature)
    valid = check_labels(target, zs.shape[1], ignore_index)
    zs, zt, k = zero_outside(zs, valid), zero_outside(zt.detach(), valid), target.where(valid, 0)
    hard_s, hard_t = (F.cross_entropy(z, k.long(), reduction="none") for z in (zs.detach(), zt))
    weight = 1 - torch.exp(-hard_s / (hard_t + 1e-7))
    p_t, log_s = (zt / temperature).softmax(dim=1), (zs / temperature).log_softmax(dim=1)
    soft = -(p_t * log_s).sum(dim=1)
    return temperature**2 * masked_mean(weight * soft, valid)


class WSLD(LogitMethod):
    """Distils soft labels, weighted by how much worse than the teacher the student does.

    Args:
        weight: α, factor of the loss.
        temperature: T.
    """

    citation = "zhou2021rethinking"
    per_pixel = True
    presets = {
        "official-imagenet": {"weight": 2.5, "temperature": 2.0},
        "official-cifar": {"weight": 2.25, "temperature": 4.0},
    }

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.2,
        temperature: float = 2.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(temperature=temperature)
        self.weight, self.temperature = weight, temperature

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        return fused.wsld_loss(zs, zt, target, temperature=self.temperature)
