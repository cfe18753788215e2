"""The decoupling of a softmax at the target class (LIX, Eq. 10-11), which DKD and DWLD build on."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Decoupled(NamedTuple):
    """Probabilities of one network, split at the target class k."""

    target_logit: Tensor
    """log [p_k / (1 - p_k)], which holds both probabilities of Eq. 10; size 1 along the classes."""
    nontarget: Tensor
    """Softmax over the classes other than k, 0 at k (Eq. 11)."""
    log_nontarget: Tensor
    """Logarithm of `nontarget`, 0 at k."""


def decouple(z: Tensor, target: Tensor, dim: int = 0) -> Decoupled:
    """Eq. 10-11: split softmax(z) at the target class, in log space.

    The target entry is dropped before the softmax of Eq. 11 instead of lowered by δ → ∞, which
    printed literally divides 0 by 0 there.

    Args:
        z: logits with K >= 2 classes along `dim`, (K, n) by default.
        target: classes in [0, K), of z's shape without `dim`.

    Raises:
        ValueError: a single class.
    """
    if z.shape[dim] < 2:
        raise ValueError("Decoupled distillation needs at least two classes.")
    k = target.unsqueeze(dim)
    others = z.scatter(dim, k, -torch.inf)
    highest = others.detach().amax(dim=dim, keepdim=True)
    others -= highest
    unnormalized = others.exp()
    total = unnormalized.sum(dim=dim, keepdim=True)
    log_total = total.log()
    target_logit = z.gather(dim, k) - highest - log_total
    others -= log_total
    return Decoupled(target_logit, unnormalized / total, others.scatter_(dim, k, 0.0))


def binary_kl(logit: Tensor, other: Tensor) -> Tensor:
    """KL([p, 1 - p] ‖ [q, 1 - q]) from the log-odds of p and q."""
    # log(1 - p) = log p - logit, so one slow logsigmoid each is enough.
    gain = F.logsigmoid(logit) - F.logsigmoid(other)
    return gain - (-logit).sigmoid() * (logit - other)
