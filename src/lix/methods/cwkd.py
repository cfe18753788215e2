"""CWKD: the student imitates where the teacher sees each class (Shu et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.methods.base import FeaturePair, Method, full_precision
from lix.methods.pixels import IGNORE_INDEX, check_logits, pixel_mean
from lix.networks.base import SegOutput


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
    if valid is not None and not valid.all():
        seen = valid.flatten(1).any(dim=1)
        hidden = ~valid[seen].unsqueeze(1)
        zs, zt = (z[seen].masked_fill(hidden, -torch.inf) for z in (zs, zt))
    if not zs.numel():
        return zs.sum()

    def rule(s: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
        log_s, log_t = (F.log_softmax(z.mT / temperature, dim=1) for z in (s, t))
        p_t = log_t.exp()
        ratio = log_t.sub_(log_s).masked_fill_(p_t == 0, 0.0)
        kl = (p_t * ratio).sum(dim=1)
        return temperature**2 * kl, [temperature * log_s.exp_().sub_(p_t).mT]

    return pixel_mean(rule, None, *(z.reshape(*z.shape[:2], -1).mT for z in (zs, zt.detach())))


class CWKD(Method):
    """Distils the spatial distribution of every class.

    Args:
        weight: factor of the loss beside the cross-entropy.
        temperature: T.
    """

    kind = "logit"
    presets = {"official": {"weight": 3.0, "temperature": 4.0}}
    citation = """@inproceedings{shu2021channel,
  title     = {Channel-wise Knowledge Distillation for Dense Prediction},
  author    = {Shu, Changyong and Liu, Yifan and Gao, Jianfei and Yan, Zheng and Shen, Chunhua},
  booktitle = {ICCV},
  year      = {2021}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 3.0,
        temperature: float = 4.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight, self.temperature = weight, temperature

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        loss = cwkd_loss(
            student.logits,
            teacher.logits,
            temperature=self.temperature,
            valid=target != IGNORE_INDEX,
        )
        return {"cwkd": self.weight * loss}
