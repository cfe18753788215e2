"""β as one number for all logits, which makes DWLD (in Eq. 9's form) DKD."""

from __future__ import annotations

from torch import Tensor

from lix.methods.parts.beta.source import BetaSource


class Fixed(BetaSource):
    """The same weight everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = float(value)

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> float:
        return self.value
