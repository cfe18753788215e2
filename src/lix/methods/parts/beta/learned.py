"""β from a small MLP on the predictions (LIX, Eq. 7-8), as the paper prints it."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lix.methods.parts.beta.entropy import confidence
from lix.methods.parts.beta.source import PredictionSource, Side, in_range
from lix.methods.parts.precision import full_precision

Omega = Literal["p", "c", "concat"]


@full_precision
def omega(logits: Tensor) -> Tensor:
    """Eq. 8: Ω = concat(P, c), what the weight controller sees of a pixel.

    Args:
        logits: (B, K, …).

    Returns:
        (B, K + 1, …): class probabilities and their entropy.
    """
    return torch.cat([logits.softmax(dim=1), confidence(logits).unsqueeze(1)], dim=1)


class WeightController(PredictionSource):
    """Eq. 7: β = (β_max - β_min) · sigmoid(MLP(Ω)) + β_min, one weight per pixel and class.

    Trained by the loss that it weighs (the paper's reading), it collapses: the loss is least where
    all weights are (docs/paper.md).

    Args:
        num_classes: K.
        inputs: what Ω holds: probabilities `p`, entropy `c`, or `concat` of both (Table IV).
        layers: linear layers of the MLP, 1 to 5 (Fig. 4b).
        hidden: their width; the paper does not give it.
        dropout: rate between them (Fig. 4b).
        side: whose predictions Ω is made of.
        detach: keep the gradient of β from reaching the student through Ω.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        inputs: Omega = "concat",
        layers: int = 3,
        hidden: int = 32,
        dropout: float = 0.0,
        side: Side = "student",
        detach: bool = True,
    ) -> None:
        super().__init__(side, detach=detach)
        if inputs not in get_args(Omega):
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

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor:
        beta: Tensor = self(self.predictions(zs, zt, valid))
        return beta

    def scores(self, logits: Tensor) -> Tensor:
        """MLP(Ω), of the shape of `logits`."""
        inputs = self._omega(logits).to(next(self.parameters()).dtype)
        pixels = inputs.reshape(*inputs.shape[:2], -1, 1)
        scores: Tensor = self.mlp(pixels)
        return scores.reshape(logits.shape)

    def _omega(self, logits: Tensor) -> Tensor:
        if self.inputs == "p":
            return logits.softmax(dim=1)
        if self.inputs == "c":
            return confidence(logits).unsqueeze(1)
        return omega(logits)
