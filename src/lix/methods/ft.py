"""FT: the student translates what the teacher paraphrases (Kim et al., NeurIPS 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from lix.core.types import SegOutput
from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.checks import check_maps, check_positive
from lix.methods.parts.masks import (
    downsample_mask,
    l2_normalize,
    masked_mean,
    valid_mask,
    zero_outside,
)
from lix.methods.parts.precision import full_precision
from lix.methods.parts.teacher_stage import TeacherStage


@full_precision
def ft_loss(factor_s: Tensor, factor_t: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """Mean of |F_s - F_t|, F the factors flattened to vectors of unit length.

    Args:
        factor_s, factor_t: (B, M, H, W).
        valid: (B, H, W) positions that count; None: all.

    Raises:
        ValueError: shapes do not fit.

    Source: Kim et al., NeurIPS 2018; Jangho-Kim/Factor-Transfer-pytorch. RepDistiller's
    FactorTransfer squares and averages the channels first: another loss.
    """
    check_maps(factor_s, factor_t, valid, same_shape=True)
    s, t = (
        l2_normalize(zero_outside(f, valid).flatten(1)).view_as(f)
        for f in (factor_s, factor_t.detach())
    )
    return masked_mean((s - t).abs().mean(dim=1), valid)


def _three(layer: type[nn.Module], widths: Sequence[int]) -> nn.Sequential:
    steps: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        steps += [layer(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*steps)


class Translator(nn.Sequential):
    """The student's factor: three 3x3 convolutions C_S → C_S → M → M, without norm."""

    def __init__(self, inputs: int, factor: int) -> None:
        super().__init__(*_three(nn.Conv2d, (inputs, inputs, factor, factor)))


class Paraphraser(nn.Module):
    """An auto-encoder of the teacher's map: three 3x3 convolutions C → C → M → M and back."""

    def __init__(self, inputs: int, factor: int) -> None:
        super().__init__()
        self.encoder = _three(nn.Conv2d, (inputs, inputs, factor, factor))
        self.decoder = _three(nn.ConvTranspose2d, (factor, factor, inputs, inputs))

    def forward(self, ft: Tensor) -> Tensor:
        """The map as it comes back."""
        restored: Tensor = self.decoder(self.encoder(ft))
        return restored


class FT(FeatureMethod):
    """Distils the factors that a paraphraser, trained first, finds in the teacher's map.

    Args:
        weight: factor of the loss.
        k: channels of the factor as a share of the teacher's.
        passes: epochs over the training data to train the paraphraser; the official code makes 6.
        lr: learning rate of SGD with momentum 0.9 and weight decay 5e-4 in that stage.
        size_free: multiply the official mean by √(M·h·w), so that the weight does not depend on
            the size of the map.
    """

    default_pairs = "last"
    presets = {"official": {"weight": 500.0, "size_free": False, "passes": 6}}
    citation = "kim2018paraphrasing"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 2.0,
        k: float = 0.5,
        passes: int = 6,
        lr: float = 0.1,
        size_free: bool = True,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight, self.passes, self.lr, self.size_free = weight, passes, lr, size_free
        check_positive(k=k, passes=passes, lr=lr)
        factors = [max(1, round(k * p.teacher.channels)) for p in pairs]
        both = list(zip(pairs, factors, strict=True))
        self.translators = nn.ModuleList(Translator(p.student.channels, m) for p, m in both)
        self.paraphrasers = nn.ModuleList(Paraphraser(p.teacher.channels, m) for p, m in both)
        self.paraphrasers.requires_grad_(False)

    def teacher_stage(self) -> TeacherStage:
        optimizer = torch.optim.SGD(
            self.paraphrasers.parameters(), lr=self.lr, momentum=0.9, weight_decay=5e-4
        )
        return TeacherStage(self.paraphrasers, self._paraphrase, optimizer, self.passes)

    def _paraphrase(self, teacher: SegOutput, target: Tensor) -> Tensor:
        """Stage 1: mean |f_t - decoder(encoder(f_t))|."""
        losses = []
        for paraphraser, ft in zip(self.paraphrasers, teacher.features.values(), strict=True):
            mask = downsample_mask(valid_mask(target), ft.shape[-2:])
            ft = zero_outside(ft, mask)
            losses.append(masked_mean((paraphraser(ft) - ft).abs().mean(dim=1), mask))
        return torch.stack(losses).sum()

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        """Stage 2."""
        factor_s = self.translators[maps.pair](maps.student)
        with torch.no_grad():
            factor_t = self.paraphrasers[maps.pair].encoder(maps.teacher)  # type: ignore[operator]
        loss = ft_loss(factor_s, factor_t, valid=maps.mask)
        if not self.size_free:
            return loss
        return loss * math.sqrt(factor_s.shape[1]) * maps.positions_per_image**0.5
