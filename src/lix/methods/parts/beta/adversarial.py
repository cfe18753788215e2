"""β from an MLP that is trained against the student, at a fixed mean of β."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lix.methods.parts.beta.learned import WeightController
from lix.methods.parts.beta.source import BETA_MAX, BETA_MIN, in_range
from lix.methods.parts.masks import masked_mean, zero_outside


class Adversarial(WeightController):
    """A weight controller that raises the loss where the student is weakest.

    A controller that *lowers* the loss makes all weights small, one that *raises* it makes all
    large. Here it raises the loss while the mean of β is fixed, so that it can only choose where
    the weight goes.

    Args:
        num_classes: K.
        budget: mean of β over valid pixels and classes.
        options: those of `WeightController`; Ω never passes a gradient to the student here.
    """

    def __init__(self, num_classes: int, *, budget: float, **options: Any) -> None:
        if not BETA_MIN < budget < BETA_MAX:
            raise ValueError(f"budget must be between {BETA_MIN:g} and {BETA_MAX:g}, got {budget}.")
        super().__init__(num_classes, detach=True, **options)
        self.budget = budget

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor:
        return adversarial(self.scores(self.predictions(zs, zt, valid)), valid, self.budget)


def adversarial(scores: Tensor, valid: Tensor, budget: float) -> Tensor:
    """β = in_range(scores + o) with the mean `budget`, and the opposite of its gradient.

    Args:
        scores: (B, K, …), what the MLP answers.
        valid: (B, …) pixels that count in the mean.
        budget: mean of β over them, between `BETA_MIN` and `BETA_MAX`.
    """
    offset = _offset(scores.detach(), valid, budget)
    # The offset o depends on all scores s: it keeps Σ in_range(s + o) constant. Differentiating
    # that constraint gives do = -Σ σ'(s + o) ds / Σ σ'(s + o) (implicit function theorem). The
    # bisection that finds o has no gradient, so the next lines add it: a term of value 0 with it.
    derivative = (scores.detach() + offset).sigmoid()
    derivative = zero_outside(derivative * (1 - derivative), valid)
    change = (derivative * (scores - scores.detach())).sum() / derivative.sum().clamp(min=1e-12)
    beta = in_range(scores + offset - change)
    # One optimizer minimises the loss for student and controller. 2·β.detach() - β has the value
    # of β and minus its gradient, so the controller's step goes uphill.
    return 2 * beta.detach() - beta


def _offset(scores: Tensor, valid: Tensor, budget: float) -> Tensor:
    """What to add to all scores so that the mean of β is `budget`.

    By bisection, since the mean grows with the offset: 32 halvings of an interval at whose ends all
    weights are saturated leave an error below 1e-6.
    """
    low, high = -scores.max() - 30, -scores.min() + 30
    for _ in range(32):
        middle = (low + high) / 2
        too_low = masked_mean(in_range(scores + middle).mean(dim=1), valid) < budget
        low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
    return (low + high) / 2
