"""The undistilled student: the baseline is a method like the others."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lix.core.types import SegOutput
from lix.methods.parts.base import FeaturePair, Method


class NoDistillation(Method):
    """No distillation: the student learns only from the labels."""

    kind = "none"

    def __init__(self, pairs: Sequence[FeaturePair] = (), num_classes: int = 0) -> None:
        super().__init__(pairs, num_classes)

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        return {}
