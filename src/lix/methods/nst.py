"""NST: the student's neurons select what the teacher's do (Huang and Wang, 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.checks import check_maps
from lix.methods.parts.masks import l2_normalize, match_size, zero_outside
from lix.methods.parts.precision import full_precision


@full_precision
def nst_loss(fs: Tensor, ft: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy of the channels: E k(t, t') + E k(s, s') - 2 E k(s, t).

    Channels are maps of unit length, k(a, b) = ⟨a, b⟩², means run over samples and channel pairs.

    Args:
        fs, ft: (B, C, H, W) maps of any channels; the larger is resized to the smaller.
        valid: (B, h, w) positions of the smaller map that count; None: all.

    Raises:
        ValueError: shapes do not fit.

    Source: Huang and Wang, arXiv 1707.01219; megvii-research/mdistiller `NST.py`, which builds
    B x C x C x HW numbers where a batched matrix product does. The authors' code leaves the
    constant teacher term out.
    """
    check_maps(fs, ft, valid)
    fs, ft = match_size(fs, ft)
    s, t = (l2_normalize(zero_outside(f, valid).flatten(2)) for f in (fs, ft.detach()))
    return _kernel_mean(t, t) + _kernel_mean(s, s) - 2 * _kernel_mean(s, t)


def _kernel_mean(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.mT).square().mean()


class NST(FeatureMethod):
    """Distils the distribution of channels by a polynomial kernel.

    Args:
        weight: factor of the loss.
    """

    presets = {"official": {"weight": 50.0}}
    citation = "huang2017like"

    def __init__(
        self, pairs: Sequence[FeaturePair], num_classes: int = 0, *, weight: float = 10.0
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight = weight

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        return nst_loss(maps.student, maps.teacher, valid=maps.mask)
