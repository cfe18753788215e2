"""The weight controller of DWLD: what it sees of a pixel and the β it answers (LIX, Eq. 6-8)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.methods.parts.pixels import blank, masked_mean, mean_over_processes, slice_length
from lix.methods.parts.precision import full_precision

BETA_MIN, BETA_MAX = 1.0, 10.0

Omega = Literal["p", "c", "concat"]


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
    flat = logits.flatten(2)
    pieces = flat.split(slice_length(flat, flat.shape[0] * flat.shape[1]), dim=2)
    return torch.cat([_entropy(piece) for piece in pieces], dim=1).view_as(logits[:, 0])


def _entropy(logits: Tensor) -> Tensor:
    log_p = F.log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


@full_precision
def omega(logits: Tensor) -> Tensor:
    """Eq. 8: Ω = concat(P, c), what the weight controller sees of a pixel.

    Args:
        logits: (B, K, …).

    Returns:
        (B, K + 1, …): class probabilities and their entropy.
    """
    return torch.cat([logits.softmax(dim=1), confidence(logits).unsqueeze(1)], dim=1)


class WeightController(nn.Module):
    """Eq. 7: β = (β_max - β_min) · sigmoid(MLP(Ω)) + β_min, one weight per pixel and class.

    Args:
        num_classes: K.
        inputs: what Ω holds: probabilities `p`, entropy `c`, or `concat` of both (Table IV).
        layers: linear layers of the MLP, 1 to 5 (Fig. 4b).
        hidden: their width; the paper does not give it.
        dropout: rate between them (Fig. 4b).
    """

    def __init__(
        self,
        num_classes: int,
        *,
        inputs: Omega = "concat",
        layers: int = 3,
        hidden: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if inputs not in ("p", "c", "concat"):
            raise ValueError(f"omega must be 'p', 'c' or 'concat', got {inputs!r}.")
        if not 1 <= layers <= 5:
            raise ValueError(f"The controller has 1 to 5 layers, got {layers}.")
        self.inputs = inputs
        width = {"p": num_classes, "c": 1, "concat": num_classes + 1}[inputs]
        steps: list[nn.Module] = []
        for _ in range(layers - 1):
            steps += [nn.Conv2d(width, hidden, 1), nn.ReLU(), nn.Dropout(dropout)]
            width = hidden
        self.mlp = nn.Sequential(*steps, nn.Conv2d(width, num_classes, 1))

    def forward(self, logits: Tensor) -> Tensor:
        """Return β of the shape of `logits`, (B, K, H, W) or (B, K)."""
        return in_range(self.scores(logits))

    def scores(self, logits: Tensor) -> Tensor:
        """MLP(Ω), of the shape of `logits`."""
        seen = self._omega(logits).to(next(self.parameters()).dtype)
        pixels = seen.reshape(*seen.shape[:2], -1, 1)
        scored: Tensor = self.mlp(pixels)
        return scored.reshape(logits.shape)

    def _omega(self, logits: Tensor) -> Tensor:
        if self.inputs == "p":
            return logits.softmax(dim=1)
        if self.inputs == "c":
            return confidence(logits).unsqueeze(1)
        return omega(logits)


def in_range(scored: Tensor) -> Tensor:
    """Eq. 7 without the MLP."""
    return BETA_MIN + (BETA_MAX - BETA_MIN) * scored.sigmoid()


@full_precision
def rarity(logits: Tensor, valid: Tensor) -> Tensor:
    """β = 1/(K · share) inside its range, share = mean probability of a class over valid pixels.

    In a distributed training the pixels are those of all processes, which all must call this.

    Args:
        logits: (B, K, …); whose probabilities say how rare a class is in the batch.
        valid: (B, …) pixels that count.

    Returns:
        (1, K, 1, …), alike for all pixels.
    """
    classes = logits.shape[1]
    seen = blank(blank(logits, valid).softmax(dim=1), valid).transpose(0, 1).flatten(1).sum(dim=1)
    pixels = mean_over_processes(valid.sum().to(seen.dtype))
    share = mean_over_processes(seen) / pixels.clamp(min=1e-6)
    beta = (1 / (classes * share.clamp(min=1e-6))).clamp(BETA_MIN, BETA_MAX)
    return beta.view(1, classes, *(1 for _ in logits.shape[2:]))


def adversarial(scored: Tensor, valid: Tensor, budget: float) -> Tensor:
    """β with the mean `budget` over valid pixels, inside its range, its gradient turned round."""
    offset = _offset(scored.detach(), valid, budget)
    slope = (scored.detach() + offset).sigmoid()
    slope = blank(slope * (1 - slope), valid)
    # The offset answers to the scores (implicit function theorem): the mean has no gradient.
    answer = (slope * (scored - scored.detach())).sum() / slope.sum().clamp(min=1e-12)
    beta = in_range(scored + offset - answer)
    return 2 * beta.detach() - beta


def _offset(scored: Tensor, valid: Tensor, budget: float) -> Tensor:
    """What to add to all scores so that the mean of β is `budget`, by bisection."""
    low, high = -scored.max() - 30, -scored.min() + 30
    for _ in range(32):
        middle = (low + high) / 2
        too_low = masked_mean(in_range(scored + middle).mean(dim=1), valid) < budget
        low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
    return (low + high) / 2


def watch(beta: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Mean, spread and saturation (share within 1 % of the range's ends) of β."""
    mean = masked_mean(beta.mean(dim=1), valid)
    variance = masked_mean((beta - mean).square().mean(dim=1), valid)
    margin = 0.01 * (BETA_MAX - BETA_MIN)
    at_end = (beta < BETA_MIN + margin) | (beta > BETA_MAX - margin)
    return {
        "beta_mean": mean,
        "beta_std": variance.sqrt(),
        "beta_saturation": masked_mean(at_end.float().mean(dim=1), valid),
    }
