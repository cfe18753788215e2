"""DKD: target-class and non-target-class distillation, decoupled (Zhao et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.methods.parts import fused
from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.checks import check_labels, check_logits, check_positive
from lix.methods.parts.decoupling import binary_kl, decouple
from lix.methods.parts.masks import masked_mean, zero_outside
from lix.methods.parts.precision import full_precision


@full_precision
def dkd_loss(
    zs: Tensor,
    zt: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    temperature: float = 1.0,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """Eq. 4: T² · mean over pixels of α·TCLD + β·NCLD.

    TCLD is the KL divergence of [p_k, 1 - p_k], k the labelled class; NCLD that of the softmax
    over the other classes. With two classes NCLD is 0.

    Args:
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K); the teacher's are constants.
        target: (B, H, W) or (B,) labels.
        alpha, beta: weights of the two parts.
        temperature: T.
        ignore_index: pixels with this label do not count.

    Raises:
        ValueError: shapes differ, fewer than two classes, a label outside [0, K).

    Source: Zhao et al., CVPR 2022; megvii-research/mdistiller `DKD.py`. Equal in value; theirs
    takes the logarithm of a softmax, which overflows where logits spread by 20 or more.
    """
    check_logits(zs, zt, target)
    check_positive(temperature=temperature)
    valid = check_labels(target, zs.shape[1], ignore_index)
    zs, zt = (zero_outside(z, valid) / temperature for z in (zs, zt.detach()))
    k = target.where(valid, 0).long()
    s, t = decouple(zs, k, dim=1), decouple(zt, k, dim=1)
    tcld = binary_kl(t.target_logit, s.target_logit).squeeze(1)
    ncld = (t.nontarget * (t.log_nontarget - s.log_nontarget)).sum(dim=1)
    return temperature**2 * masked_mean(alpha * tcld + beta * ncld, valid)


class DKD(LogitMethod):
    """Distils target-class and non-target-class knowledge with one fixed weight each.

    Args:
        weight: factor of the loss.
        alpha, beta: weights of target-class and non-target-class distillation.
        temperature: T.
        warmup_epochs: N epochs over which the weight grows in equal steps, 1/N in the first.
    """

    citation = "zhao2022decoupled"
    per_pixel = True
    presets = {
        "official-cifar": {
            "weight": 1.0,
            "alpha": 1.0,
            "beta": 8.0,
            "temperature": 4.0,
            "warmup_epochs": 20,
        },
        "official-imagenet": {
            "weight": 1.0,
            "alpha": 1.0,
            "beta": 0.5,
            "temperature": 1.0,
            "warmup_epochs": 1,
        },
        "official-detection": {"weight": 1.0, "alpha": 1.0, "beta": 0.25, "temperature": 1.0},
    }

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.015,
        alpha: float = 1.0,
        beta: float = 1.0,
        temperature: float = 1.0,
        warmup_epochs: int = 0,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(temperature=temperature)
        self.weight, self.alpha, self.beta = weight, alpha, beta
        self.temperature, self.warmup_epochs = temperature, warmup_epochs

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        warmup = min((self.epoch + 1) / max(self.warmup_epochs, 1), 1.0)
        return warmup * fused.dkd_loss(
            zs, zt, target, alpha=self.alpha, beta=self.beta, temperature=self.temperature
        )
