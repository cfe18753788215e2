"""Where DWLD's β comes from (LIX, Eq. 6-8, and what mends them): one source a file."""

from __future__ import annotations

from typing import Any

from lix.core.errors import unknown
from lix.methods.parts.beta.adversarial import Adversarial
from lix.methods.parts.beta.entropy import Entropy
from lix.methods.parts.beta.fixed import Fixed
from lix.methods.parts.beta.learned import Omega as Omega
from lix.methods.parts.beta.learned import WeightController
from lix.methods.parts.beta.rarity import Rarity
from lix.methods.parts.beta.source import BetaSource
from lix.methods.parts.beta.source import Side as Side

CONTROLLERS = ("entropy", "joint", "frozen", "budget", "rarity")


def build_beta(
    controller: str | float,
    num_classes: int,
    *,
    side: Side,
    detach: bool,
    omega: Omega,
    layers: int,
    hidden: int,
    dropout: float,
    budget: float,
) -> BetaSource:
    """The source of β that a name, or a number for a fixed β, stands for; options as in `DWLD`.

    Raises:
        ValueError: unknown name, or an option out of range.
    """
    if isinstance(controller, (int, float)):
        return Fixed(controller)
    if controller == "rarity":
        return Rarity()
    if controller == "entropy":
        return Entropy(side, detach=detach)
    mlp: dict[str, Any] = {
        "inputs": omega,
        "layers": layers,
        "hidden": hidden,
        "dropout": dropout,
        "side": side,
    }
    if controller == "budget":
        return Adversarial(num_classes, budget=budget, **mlp)
    if controller in ("joint", "frozen"):
        learned = WeightController(num_classes, detach=detach, **mlp)
        return learned.requires_grad_(controller == "joint")
    raise ValueError(unknown("controller of DWLD", str(controller), [*CONTROLLERS, "a number"]))
