"""LIX: dynamically weighted logits and recalibrated features together (Eq. 18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lix.core.registry import checked_options
from lix.core.types import SegOutput
from lix.methods.arfd import ARFD
from lix.methods.dwld import DWLD
from lix.methods.parts.base import FeaturePair, Method


class LIX(Method):
    """Eq. 18: L = L_H + λ_L·L_L + λ_F·L_F; the hard-label loss L_H is the training module's.

    Args:
        dwld: options of `DWLD`; its `weight` is λ_L.
        arfd: options of `ARFD`; its `weight` is λ_F.
    """

    kind = "both"
    citation = "guo2025lix"
    presets = {"paper": {"dwld": DWLD.presets["paper"], "arfd": ARFD.presets["paper"]}}

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        dwld: Mapping[str, Any] | None = None,
        arfd: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.dwld = DWLD((), num_classes, **checked_options("dwld", DWLD, dwld or {}))
        self.arfd = ARFD(pairs, num_classes, **checked_options("arfd", ARFD, arfd or {}))

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        terms = self.dwld(student, teacher, target) | self.arfd(student, teacher, target)
        self.monitors = self.dwld.monitors | self.arfd.monitors
        return terms

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        return self.dwld.diagnose(epoch_means) | self.arfd.diagnose(epoch_means)
