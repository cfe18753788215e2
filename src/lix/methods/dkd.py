"""DKD: target-class and non-target-class distillation, decoupled (Zhao et al., CVPR 2022).

Holds the decoupling itself (Eq. 2-3, 10-11 of the LIX paper), which DWLD builds on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.core.types import IGNORE_INDEX, SegOutput
from lix.methods.parts.base import FeaturePair, Method
from lix.methods.parts.pixels import check_logits, labelled, pixel_mean, positive
from lix.methods.parts.precision import full_precision


class Decoupled(NamedTuple):
    """Log-probabilities of one network, split at the target class k."""

    odds: Tensor
    """(1, n) log [p_k / (1 - p_k)], which says all of Eq. 10's two probabilities."""
    rest: Tensor
    """(K, n) softmax over the classes other than k, 0 at k (Eq. 11)."""
    log_rest: Tensor
    """Its logarithm, 0 at k."""


def decouple(z: Tensor, target: Tensor) -> Decoupled:
    """Eq. 10-11: split softmax(z) at the target class, in log space.

    The target entry is dropped before the softmax of Eq. 11 instead of lowered by δ → ∞, which
    printed literally divides 0 by 0 there.

    Args:
        z: logits (K, n), K >= 2.
        target: (n,) classes in [0, K).
    """
    k = target.unsqueeze(0)
    log_rest = z.scatter(0, k, -torch.inf)
    top = log_rest.amax(dim=0, keepdim=True)
    log_rest -= top
    rest = log_rest.exp()
    mass = rest.sum(dim=0, keepdim=True)
    log_rest -= mass.log()
    odds = z.gather(0, k) - top - mass.log()
    return Decoupled(odds, rest.div_(mass), log_rest.scatter_(0, k, 0.0))


def binary_kl(log_odds: Tensor, other: Tensor) -> Tensor:
    """KL([p, 1 - p] ‖ [q, 1 - q]) from the log-odds of p and q."""
    yes = F.logsigmoid(log_odds) - F.logsigmoid(other)
    no = F.logsigmoid(-log_odds) - F.logsigmoid(-other)
    return log_odds.sigmoid() * yes + (-log_odds).sigmoid() * no


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
    valid = check_decoupled(zs, zt, target, ignore_index)
    positive(temperature=temperature)

    def rule(z_s: Tensor, z_t: Tensor, k: Tensor) -> tuple[Tensor, list[Tensor]]:
        s, t = decouple(z_s.div_(temperature), k), decouple(z_t.div_(temperature), k)
        tcld = binary_kl(t.odds, s.odds).squeeze(0)
        ncld = (t.rest * t.log_rest.sub_(s.log_rest)).sum(dim=0)
        slope = alpha * (s.odds.sigmoid() - t.odds.sigmoid())
        gradient = s.rest.mul_(beta - slope).sub_(t.rest.mul_(beta))
        gradient.scatter_(0, k.unsqueeze(0), slope)
        return temperature**2 * (alpha * tcld + beta * ncld), [gradient.mul_(temperature)]

    return pixel_mean(rule, valid, zs, zt.detach(), target)


def check_decoupled(zs: Tensor, zt: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """Raise a ValueError for what cannot be decoupled; returns the valid pixels."""
    check_logits(zs, zt, target)
    if zs.shape[1] < 2:
        raise ValueError("Decoupled distillation needs at least two classes.")
    return labelled(target, zs.shape[1], ignore_index)


class DKD(Method):
    """Distils target-class and non-target-class knowledge with one fixed weight each.

    Args:
        weight: factor of the loss beside the cross-entropy.
        alpha, beta: weights of target-class and non-target-class distillation.
        temperature: T.
        warmup_epochs: N epochs over which the weight grows in equal steps, 1/N in the first.
    """

    kind = "logit"
    per_pixel = frozenset({"dkd"})
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
    citation = """@inproceedings{zhao2022decoupled,
  title     = {Decoupled Knowledge Distillation},
  author    = {Zhao, Borui and Cui, Quan and Song, Renjie and Qiu, Yiyu and Liang, Jiajun},
  booktitle = {CVPR},
  year      = {2022}
}"""

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
        positive(temperature=temperature)
        self.weight, self.alpha, self.beta = weight, alpha, beta
        self.temperature, self.warmup_epochs = temperature, warmup_epochs

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        loss = dkd_loss(
            student.logits,
            teacher.logits,
            target,
            alpha=self.alpha,
            beta=self.beta,
            temperature=self.temperature,
        )
        grown = min((self.epoch + 1) / max(self.warmup_epochs, 1), 1.0)
        return {"dkd": self.weight * grown * loss}
