"""The learning rate over a training: constant, poly or cosine, after a linear warm-up."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, PolynomialLR

from lix.runs.settings import Optim

POWER = 0.9
"""Exponent of `poly` (Chen et al., DeepLab)."""


def rate_factor(optim: Optim, epoch: float, epochs: int) -> float:
    """Share of `optim.lr` at a time, in epochs from 0.

    The warm-up rises with every step, the rest falls once an epoch, from the end of the warm-up on.
    """
    if epoch < optim.warmup:
        return epoch / optim.warmup
    done = (int(epoch) - optim.warmup) / max(epochs - optim.warmup, 1)
    if optim.schedule == "poly":
        return max(1 - done, 0.0) ** POWER
    if optim.schedule == "cosine":
        return (1 + math.cos(math.pi * min(done, 1.0))) / 2
    return 1.0


def schedule(optimizer: Optimizer, optim: Optim, epochs: int, updates: int) -> Any:
    """What Lightning's `configure_optimizers` returns.

    Args:
        optimizer: with the learning rate of `optim`.
        optim: schedule and warm-up.
        epochs: length of the training.
        updates: updates of the weights in an epoch.
    """
    if not optim.warmup and optim.schedule == "constant":
        return optimizer
    if not optim.warmup and optim.schedule == "poly":
        # Its rates differ in the last bit from those of a closed form, and results are kept.
        poly = PolynomialLR(optimizer, epochs, power=POWER)
        return {"optimizer": optimizer, "lr_scheduler": poly}

    def factor(step: int) -> float:
        warming = step < optim.warmup * updates
        return rate_factor(optim, (step + warming) / updates, epochs)

    by_step = {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
    return {"optimizer": optimizer, "lr_scheduler": by_step}
