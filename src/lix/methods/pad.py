"""PAD: features that the student finds hard count less (Zhang et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.masks import MaskedBatchNorm2d, masked_avg_pool, masked_mean, mean_squared
from lix.methods.parts.precision import full_precision


@full_precision
def pad_loss(
    es: Tensor, et: Tensor, log_variance: Tensor, *, valid: Tensor | None = None
) -> Tensor:
    """Mean of (e_t - e_s)² / (exp(v) + 1e-6) + v.

    Args:
        es, et: (B, D) vectors, or (B, D, H, W) maps; maps are averaged over positions if
            `log_variance` is of vectors.
        log_variance: v, (B, D) or (B, D, H, W). It may teach the student too.
        valid: (B, H, W) positions that count; None: all.

    Raises:
        ValueError: shapes do not fit.

    Source: Zhang et al., ECCV 2020; yoshitomo-matsubara/torchdistill `PADL2Loss`, which has no
    factor ½. The loss may be negative.
    """
    pooling = log_variance.ndim == 2 and es.ndim == 4
    expected = es.shape[:2] if pooling else es.shape
    if es.shape != et.shape or log_variance.shape != expected:
        raise ValueError(
            "PAD needs e_s and e_t of the same shape, and log-variances of that shape or (B, D), "
            f"got {tuple(es.shape)}, {tuple(et.shape)} and {tuple(log_variance.shape)}."
        )
    if pooling:
        es, et, valid = masked_avg_pool(es, valid), masked_avg_pool(et, valid), None
    # exp overflows float32 at 88; beyond 80 the first term is 0 anyway.
    scaled = (et.detach() - es).square() / (log_variance.clamp(max=80).exp() + 1e-6)
    terms = scaled + log_variance
    return terms.mean() if valid is None else masked_mean(terms.mean(dim=1), valid)


class Uncertainty(nn.Module):
    """Brings the student's map to the teacher's channels and predicts its log-variance there."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.align = nn.Conv2d(inputs, outputs, 1)
        self.head = nn.Conv2d(outputs, outputs, 1)
        self.norm = MaskedBatchNorm2d(outputs)

    @full_precision
    def forward(self, fs: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the aligned map and its log-variance, both (B, C_T, h, w)."""
        es = self.align(fs)
        return es, self.norm(self.head(es), mask)


class PAD(FeatureMethod):
    """Distils feature maps with a learned variance per position and channel.

    Args:
        weight: factor of the loss.
        warmup_epochs: epochs of plain mean squared error before the variances count.
    """

    default_pairs = "last"
    presets = {"torchdistill": {"weight": 1.0, "warmup_epochs": 10}}
    citation = "zhang2020prime"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.25,
        warmup_epochs: int = 3,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight, self.warmup_epochs = weight, warmup_epochs
        self.branches = nn.ModuleList(
            Uncertainty(p.student.channels, p.teacher.channels) for p in pairs
        )

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        es, log_variance = self.branches[maps.pair](maps.student, maps.mask)
        if self.epoch < self.warmup_epochs:
            # The variance takes part with weight 0, so that DDP finds no parameter unused.
            return mean_squared(es, maps.teacher, maps.mask) + 0.0 * log_variance.sum()
        return pad_loss(es, maps.teacher, log_variance, valid=maps.mask)
