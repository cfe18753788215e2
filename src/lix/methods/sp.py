"""SP: samples similar for the teacher become so for the student (Tung and Mori, ICCV 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.masks import l2_normalize
from lix.methods.parts.precision import full_precision


@full_precision
def sp_loss(fs: Tensor, ft: Tensor) -> Tensor:
    """‖G_t - G_s‖² / B², G the similarities f·fᵀ of the flattened samples, rows of unit length.

    Args:
        fs, ft: (B, …) maps; all but B may differ.

    Returns:
        A scalar; a single sample gives 0.

    Raises:
        ValueError: shapes do not fit.

    Source: Tung and Mori, ICCV 2019; HobbitLong/RepDistiller `SP.py`.
    """
    if len(fs) != len(ft) or fs.ndim < 2 or ft.ndim < 2:
        raise ValueError(
            f"SP compares maps (B, …) of the same B, got {tuple(fs.shape)} and {tuple(ft.shape)}."
        )
    gs, gt = (l2_normalize(f.flatten(1) @ f.flatten(1).mT) for f in (fs, ft.detach()))
    return (gt - gs).square().mean()


class SP(FeatureMethod):
    """Distils the similarities between the samples of a batch; needs at least two of them.

    Args:
        weight: factor of the loss.
    """

    default_pairs = "last"
    presets = {"repdistiller": {"weight": 3000.0}}
    citation = "tung2019similarity"

    def __init__(
        self, pairs: Sequence[FeaturePair], num_classes: int = 0, *, weight: float = 7.5
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight = weight

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        self.monitors["sp_too_few"] = maps.student.new_tensor(float(len(maps.student) < 2))
        return sp_loss(maps.student, maps.teacher)

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        if epoch_means.get("sp_too_few", 0.0) < 0.99:
            return {}
        sentence = (
            "SP teaches nothing: a batch has a single labelled sample, and samples are compared "
            "with each other; raise optim.batch_size to 2 or more."
        )
        return {"sp_too_few": sentence}
