"""RKD: matches distances and angles between samples (Park et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.checks import check_maps
from lix.methods.parts.masks import l2_normalize, masked_avg_pool
from lix.methods.parts.precision import full_precision


@full_precision
def rkd_loss(
    es: Tensor,
    et: Tensor,
    *,
    distance_weight: float = 25.0,
    angle_weight: float = 50.0,
    valid: Tensor | None = None,
) -> Tensor:
    """distance_weight · D + angle_weight · A, smooth-L1 means over pairs and triples of samples.

    D compares the distances between samples, each divided by their mean; A the cosines of the
    angles that every three samples make.

    Args:
        es, et: (B, C) vectors or (B, C, H, W) maps, which are averaged over positions; channels
            and sizes may differ.
        distance_weight, angle_weight: factors of the two parts.
        valid: (B, H, W) positions that count, for maps of the same size; None: all.

    Returns:
        A scalar; 0 for fewer than three samples, which have no shape.

    Raises:
        ValueError: shapes do not fit.

    Source: Park et al., CVPR 2019; lenscloth/RKD `metric/loss.py`, pooled as in mdistiller.
    """
    if len(es) != len(et) or es.ndim not in (2, 4) or et.ndim not in (2, 4):
        raise ValueError(
            "RKD compares (B, C) vectors or (B, C, H, W) maps of the same B, "
            f"got {tuple(es.shape)} and {tuple(et.shape)}."
        )
    if valid is not None:
        check_maps(es, et, valid)
    es, et = masked_avg_pool(es, valid), masked_avg_pool(et.detach(), valid)
    if len(es) < 3:
        return 0.0 * es.sum()
    steps_s, steps_t = (e.unsqueeze(0) - e.unsqueeze(1) for e in (es, et))
    distance = F.smooth_l1_loss(_distances(steps_s), _distances(steps_t))
    angle = F.smooth_l1_loss(_cosines(steps_s), _cosines(steps_t))
    return distance_weight * distance + angle_weight * angle


def _distances(steps: Tensor) -> Tensor:
    """(B, B) Euclidean distances over the mean of those between different samples."""
    squares = steps.square().sum(dim=2).clamp(min=1e-12)
    same = torch.eye(len(steps), dtype=torch.bool, device=steps.device)
    distances = squares.sqrt().masked_fill(same, 0.0)
    return distances / (distances.sum() / (~same).sum())


def _cosines(steps: Tensor) -> Tensor:
    """(B, B, B) cosines of the angles at the first sample."""
    directions = l2_normalize(steps)
    return directions @ directions.mT


class RKD(FeatureMethod):
    """Distils distances and angles between the samples of a batch; needs at least three of them.

    Args:
        weight: factor of the loss.
        distance_weight, angle_weight: factors of the two parts.
    """

    default_pairs = "last"
    presets = {
        "official": {"weight": 1.0, "distance_weight": 1.0, "angle_weight": 2.0},
        "mdistiller": {"weight": 1.0, "distance_weight": 25.0, "angle_weight": 50.0},
    }
    citation = "park2019relational"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.1,
        distance_weight: float = 1.0,
        angle_weight: float = 2.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight = weight
        self.distance_weight, self.angle_weight = distance_weight, angle_weight

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        self.monitors["rkd_too_few"] = maps.student.new_tensor(float(len(maps.student) < 3))
        return rkd_loss(
            maps.student,
            maps.teacher,
            distance_weight=self.distance_weight,
            angle_weight=self.angle_weight,
            valid=maps.mask,
        )

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        if epoch_means.get("rkd_too_few", 0.0) < 0.99:
            return {}
        sentence = (
            "RKD teaches nothing: fewer than three samples of a batch have labels, and samples are "
            "compared with each other; raise optim.batch_size to 3 or more."
        )
        return {"rkd_too_few": sentence}
