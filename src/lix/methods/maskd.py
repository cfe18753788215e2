"""MasKD: maps are compared inside masks that tokens have learned (Huang et al., ICLR 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.types import SegOutput
from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.checks import check_maps, check_positive
from lix.methods.parts.masks import masked_mean, valid_mask, zero_outside
from lix.methods.parts.precision import full_precision
from lix.methods.parts.teacher_stage import TeacherStage


@full_precision
def token_masks(tokens: Tensor, ft: Tensor) -> Tensor:
    """sigmoid(tokens · f_t): (T, C) and (B, C, H, W) → (B, T, H, W)."""
    return torch.einsum("tc,bchw->bthw", tokens, ft).sigmoid()


@full_precision
def dice(masks: Tensor) -> Tensor:
    """Mean over different masks i, j of 2⟨M_i, M_j⟩ / (|M_i|² + |M_j|²); 0 for a single one.

    Args:
        masks: (B, T, H, W).
    """
    flat = masks.flatten(2)
    products = flat @ flat.mT
    squares = products.diagonal(dim1=1, dim2=2) + 1e-12
    overlap = 2 * products / (squares.unsqueeze(1) + squares.unsqueeze(2))
    different = ~torch.eye(masks.shape[1], dtype=torch.bool, device=masks.device)
    return overlap[:, different].mean() if masks.shape[1] > 1 else 0.0 * products.sum()


@full_precision
def maskd_loss(fs: Tensor, ft: Tensor, masks: Tensor) -> Tensor:
    """½ · mean over samples, masks and channels of Σ (M ⊙ (f_s - f_t))² / (Σ M + 1e-5).

    Sums run over positions. Written as a matrix product, no map per mask is stored.

    Args:
        fs, ft: (B, C, H, W).
        masks: (B, T, H, W), 0 where a position does not count.

    Raises:
        ValueError: shapes differ.

    Source: Huang et al., ICLR 2023; hunto/MasKD `segmentation/losses/maskd.py`. The mask enters
    squared, its sum once, as there.
    """
    check_maps(fs, ft, same_shape=True)
    check_maps(masks, ft)
    squared = masks.flatten(2).square() @ (fs - ft.detach()).square().flatten(2).mT
    return 0.5 * (squared / (masks.flatten(2).sum(dim=2, keepdim=True) + 1e-5)).mean()


class Tokens(nn.Module):
    """T receptive tokens: (B, K, H, W) maps → (B, T, H, W) masks."""

    def __init__(self, tokens: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(tokens, channels))

    def forward(self, ft: Tensor, valid: Tensor | None = None) -> Tensor:
        """Masks, 0 where not `valid` (B, H, W)."""
        return zero_outside(token_masks(self.weight, zero_outside(ft, valid)), valid)


class MasKD(LogitMethod):
    """Distils class scores inside masks; the tokens that make them are trained first.

    Args:
        weight: factor of the loss.
        tokens: T.
        passes: epochs over the training data to train the tokens; the official code makes 10,000
            steps with a falling rate.
        lr: learning rate of SGD with momentum 0.9 and weight decay 1e-3 in that stage.

    Note:
        Works on the class scores, as the authors' segmentation code does, not on features.
    """

    presets = {"official": {"weight": 1.0, "tokens": 8}}
    citation = "huang2023masked"

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.05,
        tokens: int = 8,
        passes: int = 3,
        lr: float = 0.1,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(tokens=tokens, passes=passes, lr=lr, num_classes=num_classes)
        self.weight, self.passes, self.lr = weight, passes, lr
        self.tokens = Tokens(tokens, num_classes).requires_grad_(False)

    def teacher_stage(self) -> TeacherStage:
        optimizer = torch.optim.SGD(
            self.tokens.parameters(), lr=self.lr, momentum=0.9, weight_decay=1e-3
        )
        return TeacherStage(self.tokens, self._task_loss, optimizer, self.passes)

    def _task_loss(self, teacher: SegOutput, target: Tensor) -> Tensor:
        """Stage 1: cross-entropy of the teacher's masked scores, and the masks' overlap."""
        valid = valid_mask(target)
        masks = self.tokens(teacher.logits, valid)
        masked = zero_outside(teacher.logits, valid) * masks.sum(dim=1, keepdim=True)
        hard = F.cross_entropy(masked, target.where(valid, 0), reduction="none")
        has_labels = valid.flatten(1).any(dim=1)
        overlap = dice(masks[has_labels]) if has_labels.any() else 0.0 * masks.sum()
        return masked_mean(hard, valid) + overlap

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        check_maps(zs, zt)
        if zs.shape[1] != self.num_classes:
            raise ValueError(
                f"This MasKD was built for {self.num_classes} classes, got logits of {zs.shape[1]}."
            )
        valid = valid_mask(target)
        has_labels = valid.flatten(1).any(dim=1)
        keep = slice(None) if has_labels.all() else has_labels
        valid = valid[keep]
        zs, zt = zero_outside(zs[keep], valid), zero_outside(zt[keep], valid)
        if not has_labels.any():
            return zs.sum()
        masks = self.tokens(zt.to(self.tokens.weight.dtype), valid).to(zs.dtype)
        return maskd_loss(zs, zt, masks)
