"""Class scores at each stage of the student, matched to the teacher's probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix import SegOutput, build_method
from lix.methods import FeatureMethod, FeaturePair
from lix.methods.parts.masks import masked_mean, valid_mask


class StageScores(FeatureMethod):
    """DWLD, and at each map class scores that match the teacher's mean probabilities there.

    A 1x1 convolution gives the scores; it is thrown away after training. That student and teacher
    are compared as scores, not as maps, is HeteroAKD's idea (arXiv 2504.07691).

    Args:
        weight: of the sum over maps of KL(mean of the teacher's probabilities ‖ scores).
        dwld: options of DWLD.
    """

    kind = "both"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 1.0,
        dwld: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight = weight
        self.dwld = build_method("dwld", num_classes=num_classes, **(dwld or {}))
        self.heads = nn.ModuleList(nn.Conv2d(p.student.channels, num_classes, 1) for p in pairs)

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        valid = valid_mask(target).unsqueeze(1).float()
        probabilities = teacher.logits.softmax(dim=1) * valid
        losses = [
            self._loss(head(f), probabilities, valid)
            for head, f in zip(self.heads, student.features.values(), strict=True)
        ]
        terms = self.dwld(student, teacher, target)
        return terms | {"stages": self.weight * torch.stack(losses).sum()}

    @staticmethod
    def _loss(scores: Tensor, probabilities: Tensor, valid: Tensor) -> Tensor:
        """KL at the positions that cover a valid pixel."""
        size = scores.shape[-2:]
        share = F.adaptive_avg_pool2d(valid, size)
        p_t = F.adaptive_avg_pool2d(probabilities, size) / share.clamp(min=1e-6)
        kl = F.kl_div(scores.log_softmax(dim=1), p_t, reduction="none").sum(dim=1)
        return masked_mean(kl, share.squeeze(1) > 0)
