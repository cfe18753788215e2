"""WSLD: soft labels count where the student lags behind the teacher (Zhou et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.core.types import IGNORE_INDEX, SegOutput
from lix.methods.parts.base import FeaturePair, Method
from lix.methods.parts.pixels import check_logits, labelled, pixel_mean, positive
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
    positive(temperature=temperature)
    valid = labelled(target, zs.shape[1], ignore_index)

    def rule(s: Tensor, t: Tensor, k: Tensor) -> tuple[Tensor, list[Tensor]]:
        hard_s, hard_t = (F.cross_entropy(z.mT, k, reduction="none") for z in (s, t))
        weight = 1 - torch.exp(-hard_s / (hard_t + 1e-7))
        log_s = F.log_softmax(s.div_(temperature), dim=0)
        p_t = t.div_(temperature).softmax(dim=0)
        soft = -(p_t * log_s).sum(dim=0)
        gradient = log_s.exp_().sub_(p_t).mul_(temperature * weight)
        return temperature**2 * weight * soft, [gradient]

    return pixel_mean(rule, valid, zs, zt.detach(), target)


class WSLD(Method):
    """Distils soft labels, weighted by how much worse than the teacher the student does.

    Args:
        weight: α, factor of the loss beside the cross-entropy.
        temperature: T.
    """

    kind = "logit"
    per_pixel = frozenset({"wsld"})
    presets = {
        "official-imagenet": {"weight": 2.5, "temperature": 2.0},
        "official-cifar": {"weight": 2.25, "temperature": 4.0},
    }
    citation = """@inproceedings{zhou2021rethinking,
  title     = {Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff
               Perspective},
  author    = {Zhou, Helong and Song, Liangchen and Chen, Jiajie and Zhou, Ye and Wang, Guoli and
               Yuan, Junsong and Zhang, Qian},
  booktitle = {ICLR},
  year      = {2021}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.2,
        temperature: float = 2.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        positive(temperature=temperature)
        self.weight, self.temperature = weight, temperature

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        loss = wsld_loss(student.logits, teacher.logits, target, temperature=self.temperature)
        return {"wsld": self.weight * loss}
