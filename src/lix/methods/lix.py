"""LIX: dynamically weighted logits and recalibrated features together (Eq. 18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lix.core.types import SegOutput
from lix.methods import build_method
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
    per_pixel = DWLD.per_pixel
    presets = {"paper": {"dwld": DWLD.presets["paper"], "arfd": ARFD.presets["paper"]}}
    citation = DWLD.citation

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        dwld: Mapping[str, Any] | None = None,
        arfd: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.dwld = build_method("dwld", (), num_classes, **(dwld or {}))
        self.arfd = build_method("arfd", pairs, num_classes, **(arfd or {}))

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = self.dwld(student, teacher, target)
        terms = terms | self.arfd(student, teacher, target)
        self.monitors = self.dwld.monitors | self.arfd.monitors
        return terms

    def diagnose(self, epoch_means: Mapping[str, float]) -> list[str]:
        return self.dwld.diagnose(epoch_means) + self.arfd.diagnose(epoch_means)
