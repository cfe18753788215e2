"""β by the entropy of the predictions (LIX, Eq. 6): nothing to train, so nothing to collapse."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.methods.parts.beta.source import BETA_MAX, BETA_MIN, PredictionSource
from lix.methods.parts.precision import full_precision
from lix.methods.parts.sliced import slice_length


@full_precision
def confidence(logits: Tensor) -> Tensor:
    """Eq. 6: c = -Σ_i p_i log p_i, which the paper calls confidence.

    It is the entropy in nats: high where the network is unsure.

    Args:
        logits: (B, K, …).

    Returns:
        (B, …) values in [0, log K].

    >>> confidence(torch.zeros(1, 4))
    tensor([1.3863])
    """
    if logits.requires_grad or logits.ndim == 2:
        return _entropy(logits)
    flat = logits.flatten(2)  # without a gradient, slices that fit into the cache are faster
    pieces = flat.split(slice_length(flat, flat.shape[0] * flat.shape[1]), dim=2)
    return torch.cat([_entropy(piece) for piece in pieces], dim=1).view_as(logits[:, 0])


def _entropy(logits: Tensor) -> Tensor:
    log_p = F.log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


class Entropy(PredictionSource):
    """β grows from 1 to 10 with the normalised entropy of a pixel; the same for all its classes."""

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor:
        z = self.predictions(zs, zt, valid)
        share = confidence(z).unsqueeze(1) / math.log(z.shape[1])
        return (BETA_MIN + (BETA_MAX - BETA_MIN) * share).expand_as(z)

    def statistics(self, beta: Tensor | float, valid: Tensor) -> dict[str, Tensor]:
        one_class = beta[:, :1] if isinstance(beta, Tensor) else beta
        return super().statistics(one_class, valid)
