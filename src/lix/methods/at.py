"""AT: the student's attention maps become the teacher's (Zagoruyko and Komodakis, ICLR 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lix.methods.parts import fused
from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.checks import check_maps, check_positive
from lix.methods.parts.masks import l2_normalize, masked_mean, match_size, zero_outside
from lix.methods.parts.precision import full_precision


def attention(f: Tensor, p: int = 2, valid: Tensor | None = None) -> Tensor:
    """(B, H·W) mean over channels of f^p, of unit length per sample."""
    energy = fused.mean_power(zero_outside(f, valid), p)
    # Scaled first, so that the squares of the norm do not overflow.
    scale = energy.detach().abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    return l2_normalize((energy / scale).flatten(1))


@full_precision
def at_loss(fs: Tensor, ft: Tensor, *, p: int = 2, valid: Tensor | None = None) -> Tensor:
    """Mean over samples and positions of (Q_s - Q_t)², Q the attention map of unit length.

    Args:
        fs, ft: (B, C, H, W) maps of any channels; the larger is resized to the smaller.
        p: exponent; 2 officially; an odd one keeps the signs.
        valid: (B, h, w) positions of the smaller map that count; None: all.

    Raises:
        ValueError: shapes do not fit.

    Source: Zagoruyko and Komodakis, ICLR 2017; szagoruyko/attention-transfer `utils.py`. The
    paper writes the length of the difference, the code its mean square, which shrinks as the map
    grows.
    """
    check_maps(fs, ft, valid)
    fs, ft = match_size(fs, ft)
    difference = attention(fs, p, valid) - attention(ft.detach(), p, valid)
    return masked_mean(difference.square(), None if valid is None else valid.flatten(1))


class AT(FeatureMethod):
    """Distils where features are strong, whatever their channels.

    Args:
        weight: factor of the loss.
        p: exponent of the attention map.
        size_free: sum over positions instead of the official mean, so that the weight does not
            depend on the size of the map.
    """

    presets = {
        "official": {"weight": 1000.0, "size_free": False},
        "cirkd": {"weight": 10000.0, "size_free": False},
    }
    citation = "zagoruyko2017paying"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.8,
        p: int = 2,
        size_free: bool = True,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_positive(p=p)
        self.weight, self.p, self.size_free = weight, p, size_free

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        loss = at_loss(maps.student, maps.teacher, p=self.p, valid=maps.mask)
        return loss * maps.positions_per_image if self.size_free else loss
