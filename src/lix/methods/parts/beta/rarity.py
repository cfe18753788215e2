"""β by how rare a class is in the batch: the default of DWLD."""

from __future__ import annotations

import torch
from torch import Tensor

from lix.methods.parts.beta.source import BETA_MAX, BETA_MIN, BetaSource
from lix.methods.parts.distributed import mean_over_processes
from lix.methods.parts.masks import zero_outside
from lix.methods.parts.precision import full_precision


@full_precision
def rarity(logits: Tensor, valid: Tensor) -> Tensor:
    """β = 1/(K · share) inside its range, share = mean probability of a class over valid pixels.

    In a distributed training the pixels are those of all processes, which all must call this.

    Args:
        logits: (B, K, …); whose probabilities say how rare a class is in the batch.
        valid: (B, …) pixels that count.

    Returns:
        (1, K, 1, …), the same for all pixels.
    """
    batch, classes = logits.shape[:2]
    p = zero_outside(logits, valid).softmax(dim=1).reshape(batch, classes, -1)
    total = torch.einsum("bkn,bn->k", p, valid.reshape(batch, -1).to(p.dtype))
    pixels = mean_over_processes(valid.sum().to(total.dtype))
    share = mean_over_processes(total) / pixels.clamp(min=1e-6)
    beta = (1 / (classes * share.clamp(min=1e-6))).clamp(BETA_MIN, BETA_MAX)
    return beta.view(1, classes, *(1 for _ in logits.shape[2:]))


class Rarity(BetaSource):
    """A class that the teacher sees in less than 1/K of the batch weighs more, up to 10."""

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor:
        return rarity(zt.detach(), valid).expand_as(zs)

    def statistics(self, beta: Tensor | float, valid: Tensor) -> dict[str, Tensor]:
        assert isinstance(beta, Tensor)
        one = beta[:1].reshape(1, beta.shape[1], -1)[..., :1]  # all pixels have the same
        return super().statistics(one, valid.any().view(1, 1))
