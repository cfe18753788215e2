"""CWKD: the student imitates where the teacher sees each class (Shu et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lix.core.types import IGNORE_INDEX, SegOutput
from lix.methods.parts.base import FeaturePair, Method
from lix.methods.parts.pixels import check_logits, once, positive, slice_length
from lix.methods.parts.precision import full_precision


@full_precision
def cwkd_loss(
    zs: Tensor, zt: Tensor, *, temperature: float = 4.0, valid: Tensor | None = None
) -> Tensor:
    """T² · mean over samples and channels of KL(φ(z_t) ‖ φ(z_s)), φ the softmax over positions.

    Args:
        zs, zt: student and teacher logits, or maps of as many channels, (B, K, H, W); the
            teacher's are constants. Flat logits (B, K) have one position, so their loss is 0.
        temperature: T.
        valid: (B, H, W), true where a position counts; None: everywhere. Samples without any
            do not count.

    Raises:
        ValueError: shapes differ.

    Source: Shu et al., ICCV 2021; irfanICMLL/TorchDistiller `CriterionCWD`. Equal in value;
    theirs takes the logarithm of a softmax and overflows.
    """
    check_logits(zs, zt, valid)
    positive(temperature=temperature)
    positions = None if valid is None else valid.reshape(len(valid), -1)
    maps = [z.reshape(*z.shape[:2], -1) for z in (zs, zt.detach())]
    loss: Tensor = _ChannelKL.apply(*maps, temperature, positions)
    return loss


class _ChannelKL(torch.autograd.Function):
    """Value and gradient T/(B·K) · (φ(z_s) - φ(z_t)) together, some channels at a time."""

    @staticmethod
    def forward(
        ctx: Any, zs: Tensor, zt: Tensor, temperature: float, valid: Tensor | None
    ) -> Tensor:
        gradient, total = torch.zeros_like(zs), zs.new_zeros(())
        samples, channels, positions = zs.shape
        seen = list(range(samples)) if valid is None else valid.any(dim=1).nonzero()[:, 0].tolist()
        step = slice_length(zs, positions)
        for b, start in product(seen, range(0, channels, step)):
            here = b, slice(start, start + step)
            s, t = zs[here] / temperature, zt[here] / temperature
            if valid is not None:
                s, t = (z.masked_fill_(~valid[b], -torch.inf) for z in (s, t))
            log_s, log_t = F.log_softmax(s, dim=1), F.log_softmax(t, dim=1)
            p_t = log_t.exp()
            ratio = log_t.sub_(log_s).masked_fill_(p_t == 0, 0.0)
            total += (p_t * ratio).sum()
            gradient[here] = log_s.exp_().sub_(p_t)
        rows = max(1, len(seen) * channels)
        ctx.save_for_backward(gradient)
        ctx.scale = temperature / rows
        return total * (temperature**2 / rows)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return once(gradient * (upstream * ctx.scale)), None, None, None


class CWKD(Method):
    """Distils the spatial distribution of every class.

    Args:
        weight: factor of the loss beside the cross-entropy.
        temperature: T.
    """

    kind = "logit"
    presets = {"official": {"weight": 3.0, "temperature": 4.0}}
    citation = """@inproceedings{shu2021channel,
  title     = {Channel-wise Knowledge Distillation for Dense Prediction},
  author    = {Shu, Changyong and Liu, Yifan and Gao, Jianfei and Yan, Zheng and Shen, Chunhua},
  booktitle = {ICCV},
  year      = {2021}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.125,
        temperature: float = 4.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        positive(temperature=temperature)
        self.weight, self.temperature = weight, temperature

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        loss = cwkd_loss(
            student.logits,
            teacher.logits,
            temperature=self.temperature,
            valid=target != IGNORE_INDEX,
        )
        return {"cwkd": self.weight * loss}
