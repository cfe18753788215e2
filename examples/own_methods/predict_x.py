"""A head at each map that predicts the X which the student does not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix import SegOutput, build_method
from lix.methods import FeatureMethod, FeaturePair
from lix.methods.parts.masks import masked_mean


class PredictX(FeatureMethod):
    """DWLD, and at each map a head that predicts the X which the student does not see.

    A 1x1 convolution, thrown away after training, gives X as the teacher sees it; the absolute
    error counts where X is valid.

    Args:
        weight: of the mean over maps.
        x_channels: channels of X.
        dwld: options of DWLD.
    """

    kind = "both"
    needs_x = True

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 1.0,
        x_channels: int = 1,
        dwld: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight = weight
        self.dwld = build_method("dwld", num_classes=num_classes, **(dwld or {}))
        self.heads = nn.ModuleList(nn.Conv2d(p.student.channels, x_channels, 1) for p in pairs)

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        assert x is not None  # which `needs_x` says
        seen = (x != 0).any(dim=1, keepdim=True).to(x)  # where X is valid
        losses = [
            self._loss(head(f), x, seen)
            for head, f in zip(self.heads, student.features.values(), strict=True)
        ]
        terms = self.dwld(student, teacher, target)
        return terms | {"x": self.weight * torch.stack(losses).mean()}

    @staticmethod
    def _loss(predicted: Tensor, x: Tensor, seen: Tensor) -> Tensor:
        """Mean absolute error from the mean of X, at the positions that cover some of it."""
        size = predicted.shape[-2:]
        share = F.adaptive_avg_pool2d(seen, size)
        mean = F.adaptive_avg_pool2d(x, size) / share.clamp(min=1e-6)
        return masked_mean((predicted - mean).abs().mean(dim=1), share.squeeze(1) > 0)
