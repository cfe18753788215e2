"""Af-DCD: masked features are restored and contrasted densely (Fan et al., NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.types import SegOutput
from lix.methods.parts import fused
from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.checks import check_logits, check_positive
from lix.methods.parts.masks import valid_mask, zero_outside
from lix.methods.parts.precision import full_precision


@full_precision
def contrast_loss(
    fs: Tensor,
    ft: Tensor,
    *,
    groups: int = 16,
    patch: int = 4,
    temperature: float = 0.07,
    valid: Tensor | None = None,
) -> Tensor:
    """Dense contrast of maps cut into patches of positions and groups of channels.

    An item is the vector of one position and one channel group. Its positive is the teacher's
    item of that position and group, its negatives the teacher's items of the other groups anywhere
    in the patch; similarity is -L1/τ. The cross-entropies of all items are summed and divided by
    the number of positions.

    Args:
        fs, ft: (B, C, H, W); sizes that are not a multiple of `patch` are padded with positions
            that do not count.
        groups: M, a divisor of C.
        patch: side of a patch.
        temperature: τ.
        valid: (B, H, W) positions that count; None: all.

    Raises:
        ValueError: `groups` does not divide C.

    Source: Fan et al., NeurIPS 2023; OSVAI/Af-DCD `losses/ocmgd.py`.
    """
    if fs.shape[1] % groups:
        raise ValueError(f"{groups} groups do not divide {fs.shape[1]} channels.")
    if valid is None:
        valid = fs.new_ones(fs[:, 0].shape, dtype=torch.bool)
    is_valid = _items(valid.unsqueeze(1).float().expand(-1, groups, -1, -1), groups, patch)
    is_valid = is_valid.squeeze(-1) > 0
    items_s, items_t = (_items(zero_outside(f, valid), groups, patch) for f in (fs, ft.detach()))
    similar = -torch.cdist(items_s, items_t, p=1.0) / temperature
    group = torch.arange(groups, device=fs.device).repeat(patch * patch)
    allowed = group.unsqueeze(0) != group.unsqueeze(1)
    allowed.fill_diagonal_(fill_value=True)
    contrasted = similar.masked_fill(~(allowed & is_valid.unsqueeze(1)), -torch.inf)
    matched = similar.diagonal(dim1=1, dim2=2)
    loss = contrasted[is_valid].logsumexp(dim=1) - matched[is_valid]
    return loss.sum() / valid.sum().clamp(min=1)


def _items(f: Tensor, groups: int, patch: int) -> Tensor:
    """(B, C, H, W) → (patches, patch² · M, C / M); padded with 0."""
    f = F.pad(f, (0, -f.shape[3] % patch, 0, -f.shape[2] % patch))
    b, c, h, w = f.shape
    cut = f.view(b, groups, c // groups, h // patch, patch, w // patch, patch)
    return cut.permute(0, 3, 5, 4, 6, 1, 2).reshape(-1, patch * patch * groups, c // groups)


def max_pool(f: Tensor, valid: Tensor | None, size: int) -> tuple[Tensor, Tensor | None]:
    """Max-pool (B, C, H, W) by `size` over valid positions; partial windows count."""
    if valid is None:
        return F.max_pool2d(f, size, ceil_mode=True), None
    highest = F.max_pool2d(f.masked_fill(~valid.unsqueeze(1), -torch.inf), size, ceil_mode=True)
    kept = F.max_pool2d(valid.float().unsqueeze(1), size, ceil_mode=True) > 0
    return highest.where(kept, 0.0), kept.squeeze(1)


class Restorer(nn.Module):
    """Restores the teacher's map from a student's map of which most positions are masked."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.align = nn.Conv2d(inputs, outputs, 1)
        self.projector = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )

    @full_precision
    def forward(self, fs: Tensor, keep: Tensor) -> Tensor:
        """(B, C_S, h, w) and the positions to keep, (B, 1, h, w) → (B, C_T, h, w)."""
        restored: Tensor = self.projector(self.align(fs) * keep)
        return restored


class AfDCD(FeatureMethod):
    """Distils by restoring masked features, by dense contrast, and by the class probabilities.

    Args:
        fd_weight: λ_fd of the squared error of the restored map.
        contrast_weight: λ_ctr.
        kd_weight: λ_kd.
        temperature: τ of the contrast.
        groups: M; the largest divisor of the teacher's channels up to it is taken.
        patch: side of a patch.
        pool: max-pooling before the contrast; the official code uses 4, but none for CamVid.
        mask_ratio: share of positions masked.
        size_free: mean squared error instead of the official sum over channels and positions, so
            that λ_fd does not depend on the size of the map.

    Note:
        The official code clips the projector's gradients at 15; here nothing is clipped.
    """

    kind = "both"
    default_pairs = "last"
    presets = {
        f"official-{data}": {
            "fd_weight": fd,
            "contrast_weight": contrast,
            "kd_weight": kd,
            "pool": 1 if data == "camvid" else 4,
            "size_free": False,
        }
        for data, fd, contrast, kd in (
            ("cityscapes", 2e-6, 5e-3, 1.0),
            ("camvid", 8e-6, 1e-2, 1.0),
            ("voc", 1e-6, 5e-3, 1.0),
            ("ade", 1e-6, 4e-2, 0.5),
            ("coco-stuff", 5e-6, 5e-3, 0.5),
        )
    }
    citation = "fan2023augmentation"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        fd_weight: float = 0.025,
        contrast_weight: float = 0.00125,
        kd_weight: float = 1.0,
        temperature: float = 0.07,
        groups: int = 16,
        patch: int = 4,
        pool: int = 1,
        mask_ratio: float = 0.75,
        size_free: bool = True,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.fd_weight, self.contrast_weight, self.kd_weight = fd_weight, contrast_weight, kd_weight
        self.temperature, self.patch, self.pool = temperature, patch, pool
        self.mask_ratio, self.size_free = mask_ratio, size_free
        check_positive(groups=groups, patch=patch, pool=pool, temperature=temperature)
        if not 0 <= mask_ratio < 1:
            raise ValueError(f"mask_ratio must be in [0, 1), got {mask_ratio}.")
        self.groups = [largest_divisor(p.teacher.channels, groups) for p in pairs]
        self.restorers = nn.ModuleList(
            Restorer(p.student.channels, p.teacher.channels) for p in pairs
        )

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        check_logits(student.logits, teacher.logits)
        terms = super().forward(student, teacher, target)
        valid = valid_mask(target)
        kd = fused.kd_loss(student.logits, teacher.logits, temperature=1.0, valid=valid)
        return terms | {"afdcd_kd": self.kd_weight * kd}

    @property
    def terms(self) -> tuple[str, ...]:
        return "afdcd_fd", "afdcd_contrast"

    def pair_terms(self, maps: FeatureMaps) -> dict[str, Tensor]:
        keep = torch.rand_like(maps.student[:, :1]) <= 1 - self.mask_ratio
        restored = self.restorers[maps.pair](maps.student, keep)
        return self.weigh(maps, restored)

    def weigh(self, maps: FeatureMaps, restored: Tensor) -> dict[str, Tensor]:
        """The weighted terms of a restored map (B, C_T, h, w)."""
        error = zero_outside(restored - maps.teacher, maps.mask).square().sum() / len(restored)
        if self.size_free:
            error = error / (restored.shape[1] * maps.positions_per_image)
        (fs, mask), (ft, _) = (max_pool(f, maps.mask, self.pool) for f in (restored, maps.teacher))
        contrast = contrast_loss(
            fs,
            ft,
            groups=self.groups[maps.pair],
            patch=self.patch,
            temperature=self.temperature,
            valid=mask,
        )
        return {
            "afdcd_fd": self.fd_weight * error,
            "afdcd_contrast": self.contrast_weight * contrast,
        }


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` up to `limit`.

    Raises:
        ValueError: only 1 divides it, and with one group nothing can be contrasted.
    """
    divisor = max(d for d in range(1, limit + 1) if number % d == 0)
    if divisor == 1:
        raise ValueError(
            f"{number} channels cannot be cut into 2 to {limit} groups; raise groups or compare "
            "another map."
        )
    return divisor
