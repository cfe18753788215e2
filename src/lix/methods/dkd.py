"""DKD: target-class and non-target-class distillation, decoupled (Zhao et al., CVPR 2022).

Holds the decoupling itself (Eq. 2-3, 10-11 of the LIX paper), which DWLD builds on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.methods.base import (
    IGNORE_INDEX,
    FeaturePair,
    Method,
    blank,
    check_logits,
    full_precision,
    masked_mean,
)
from lix.networks.base import SegOutput


class Decoupled(NamedTuple):
    """Log-probabilities of one network, split at the target class k."""

    binary: Tensor
    """(B, 2, …) log [p_k, 1 - p_k] (Eq. 10)."""
    non_target: Tensor
    """(B, K, …) log softmax over the classes other than k, 0 at k (Eq. 11)."""


def decouple(z: Tensor, target: Tensor) -> Decoupled:
    """Eq. 10-11: split softmax(z) at the target class, in log space.

    The target entry is dropped before the softmax of Eq. 11 instead of lowered by δ → ∞, which
    printed literally divides 0 by 0 there.

    Args:
        z: logits (B, K, …), K >= 2.
        target: (B, …) classes in [0, K).

    Raises:
        ValueError: fewer than two classes, or a class outside [0, K).
    """
    if z.shape[1] < 2:
        raise ValueError("Decoupled distillation needs at least two classes.")
    is_target = _one_hot(target, z.shape[1])
    log_p = F.log_softmax(z, dim=1)
    log_target = log_p.masked_fill(~is_target, 0.0).sum(dim=1)
    log_rest = log_p.masked_fill(is_target, -torch.inf).logsumexp(dim=1)
    non_target = F.log_softmax(z.masked_fill(is_target, -torch.inf), dim=1)
    return Decoupled(
        torch.stack([log_target, log_rest], dim=1), non_target.masked_fill(is_target, 0.0)
    )


def _one_hot(target: Tensor, num_classes: int) -> Tensor:
    if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < num_classes:
        raise ValueError(
            f"Labels must lie in [0, {num_classes}) or be {IGNORE_INDEX} (ignored), "
            f"got {int(target.min())} to {int(target.max())}."
        )
    classes = torch.arange(num_classes, device=target.device)
    return target.unsqueeze(1) == classes.view(1, -1, *[1] * (target.ndim - 1))


def kl_terms(log_t: Tensor, log_s: Tensor) -> Tensor:
    """The summands t_i · log(t_i / s_i) of KL(t ‖ s), from log-probabilities."""
    return log_t.exp() * (log_t - log_s)


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
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K).
        target: (B, H, W) or (B,) labels.
        alpha, beta: weights of the two parts.
        temperature: T.
        ignore_index: pixels with this label do not count.

    Raises:
        ValueError: shapes differ, fewer than two classes, a label outside [0, K).

    Source: Zhao et al., CVPR 2022; megvii-research/mdistiller `DKD.py`. Equal in value; theirs
    takes the logarithm of a softmax and overflows at logits of about 20 (issue 60).
    """
    check_logits(zs, zt, target)
    valid = target != ignore_index
    target = target.masked_fill(~valid, 0)
    s = decouple(blank(zs, valid) / temperature, target)
    t = decouple(blank(zt, valid) / temperature, target)
    tcld = kl_terms(t.binary, s.binary).sum(dim=1)
    ncld = kl_terms(t.non_target, s.non_target).sum(dim=1)
    return temperature**2 * masked_mean(alpha * tcld + beta * ncld, valid)


class DKD(Method):
    """Distils target-class and non-target-class knowledge with one fixed weight each.

    Args:
        weight: factor of the loss beside the cross-entropy.
        alpha, beta: weights of target-class and non-target-class distillation.
        temperature: T.
    """

    kind = "logit"
    presets = {
        "official-cifar": {"alpha": 1.0, "beta": 8.0, "temperature": 4.0},
        "official-detection": {"alpha": 1.0, "beta": 0.25, "temperature": 1.0},
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
        weight: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight, self.alpha, self.beta = weight, alpha, beta
        self.temperature = temperature

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        loss = dkd_loss(
            student.logits,
            teacher.logits,
            target,
            alpha=self.alpha,
            beta=self.beta,
            temperature=self.temperature,
        )
        return {"dkd": self.weight * loss}
