"""The teacher's channels, each weighted by how much of it RGB can know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix import SegOutput, build_method
from lix.methods import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.masks import masked_mean


class Predictable(FeatureMethod):
    """DWLD, and the teacher's channels, each weighted by how much of it RGB can know.

    A 1x1 convolution of the student's map predicts the teacher's; the squared error of each channel
    over its variance counts by R² of a ridge regression from the student's map as it is. What only
    X can tell the teacher is thus not asked of the student.

    Args:
        weight: of the mean over maps.
        ridge: added to the diagonal of the covariance, relative to its mean.
        momentum: of the running covariances that the regression is solved from.
        dwld: options of DWLD.
    """

    kind = "both"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 1.0,
        ridge: float = 0.01,
        momentum: float = 0.99,
        dwld: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight, self.ridge, self.momentum = weight, ridge, momentum
        self.dwld = build_method("dwld", num_classes=num_classes, **(dwld or {}))
        widths = [(p.student.channels, p.teacher.channels) for p in pairs]
        self.adapters = nn.ModuleList(nn.Conv2d(cs, ct, 1) for cs, ct in widths)
        for i, (cs, ct) in enumerate(widths):
            self.register_buffer(f"moments{i}", torch.zeros(cs + ct + 1, cs + ct + 1))

    @property
    def terms(self) -> tuple[str, ...]:
        return ("predictable",)

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        return self.dwld(student, teacher, target) | super().forward(student, teacher, target)

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        """Mean over positions and channels of R² · (prediction - teacher)² / variance."""
        r2, variance = self._predictability(maps)
        self.monitors[f"r2_{maps.name}"] = r2.mean()
        error = self.adapters[maps.pair](maps.student) - maps.teacher
        scale = (r2 / variance)[:, None, None]
        return masked_mean((scale * error.square()).mean(dim=1), maps.mask) / len(self.pairs)

    @torch.no_grad()
    def _predictability(self, maps: FeatureMaps) -> tuple[Tensor, Tensor]:
        """R² and variance of each channel of the teacher's map."""
        rows = torch.cat([maps.student, maps.teacher], dim=1).movedim(1, -1)
        rows = rows.flatten(0, 2) if maps.mask is None else rows[maps.mask]
        rows = F.pad(rows, (0, 1), value=1.0)
        moments = self.get_buffer(f"moments{maps.pair}")
        moments.lerp_(rows.T @ rows / len(rows), 1 - self.momentum)
        mean = moments[-1, :-1] / moments[-1, -1]
        covariance = moments[:-1, :-1] / moments[-1, -1] - torch.outer(mean, mean)
        c = maps.student.shape[1]
        ss, st = covariance[:c, :c], covariance[:c, c:]
        variance = covariance.diagonal()[c:].clamp(min=1e-6)
        strength = self.ridge * ss.diagonal().mean().clamp(min=1e-6)
        slopes = torch.linalg.solve(ss + strength * torch.eye(c, device=ss.device), st)
        return ((slopes * st).sum(dim=0) / variance).clamp(0, 1), variance
