"""KD: the student imitates the teacher's softened class probabilities (Hinton et al., 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lix.methods.parts import fused
from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.checks import check_logits, check_positive
from lix.methods.parts.masks import masked_mean, valid_mask, zero_outside
from lix.methods.parts.precision import full_precision


@full_precision
def kd_loss(
    zs: Tensor, zt: Tensor, *, temperature: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """T² · mean over pixels of KL(softmax(z_t/T) ‖ softmax(z_s/T)).

    Args:
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K); the teacher's are constants.
        temperature: T.
        valid: (B, H, W) or (B,), true where the loss counts; None: everywhere.

    Raises:
        ValueError: shapes differ.

    Source: Hinton et al., arXiv 1503.02531; the reduction is that of megvii-research/mdistiller
    `KD.py`, per pixel. RepDistiller's "batchmean" over maps is H·W times larger.

    >>> import torch
    >>> kd_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[9.0, -9.0]]))
    tensor(0.6931)
    """
    check_logits(zs, zt, valid)
    check_positive(temperature=temperature)
    zs, zt = (zero_outside(z, valid) / temperature for z in (zs, zt.detach()))
    log_s, log_t = zs.log_softmax(dim=1), zt.log_softmax(dim=1)
    kl = (log_t.exp() * (log_t - log_s)).sum(dim=1)
    return temperature**2 * masked_mean(kl, valid)


class KD(LogitMethod):
    """Distils the teacher's class probabilities, per pixel.

    Args:
        weight: factor of the loss.
        hard_weight: factor of the cross-entropy with the labels.
        temperature: T; 1 in segmentation.
    """

    citation = "hinton2015distilling"
    per_pixel = True
    presets = {
        "mdistiller-cifar": {"weight": 0.9, "hard_weight": 0.1, "temperature": 4.0},
        "mdistiller-imagenet": {"weight": 0.5, "hard_weight": 0.5, "temperature": 1.0},
        "cirkd": {"weight": 1.0, "temperature": 1.0},
    }

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.25,
        hard_weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(temperature=temperature)
        self.weight, self.hard_weight, self.temperature = weight, hard_weight, temperature

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        return fused.kd_loss(zs, zt, temperature=self.temperature, valid=valid_mask(target))
