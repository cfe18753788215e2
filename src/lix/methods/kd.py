"""KD: the student imitates the teacher's softened class probabilities (Hinton et al., 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from lix.core.types import IGNORE_INDEX, SegOutput
from lix.methods.parts.base import FeaturePair, Method
from lix.methods.parts.pixels import check_logits, pixel_mean, positive
from lix.methods.parts.precision import full_precision


@full_precision
def kd_loss(
    zs: Tensor, zt: Tensor, *, temperature: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """T² · mean over pixels of KL(softmax(z_t/T) ‖ softmax(z_s/T)).

    Args:
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K); the teacher's are constants.
        temperature: T.
        valid: (B, H, W) or (B,), true where the loss counts; None: everywhere.

    Raises:
        ValueError: shapes differ.

    Source: Hinton et al., arXiv 1503.02531; the reduction is that of megvii-research/mdistiller
    `KD.py`, per pixel. RepDistiller's "batchmean" over maps is H·W times larger.

    >>> import torch
    >>> kd_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[9.0, -9.0]]))
    tensor(0.6931)
    """
    check_logits(zs, zt, valid)
    positive(temperature=temperature)

    def rule(s: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
        log_s, log_t = (F.log_softmax(z / temperature, dim=0) for z in (s, t))
        p_t = log_t.exp()
        kl = (p_t * log_t.sub_(log_s)).sum(dim=0)
        return temperature**2 * kl, [temperature * log_s.exp_().sub_(p_t)]

    return pixel_mean(rule, valid, zs, zt.detach())


class KD(Method):
    """Distils the teacher's class probabilities, per pixel.

    Args:
        weight: factor of the loss.
        hard_weight: factor of the cross-entropy beside it.
        temperature: T; 1 in segmentation.
    """

    kind = "logit"
    per_pixel = frozenset({"kd"})
    presets = {
        "mdistiller-cifar": {"weight": 0.9, "hard_weight": 0.1, "temperature": 4.0},
        "mdistiller-imagenet": {"weight": 0.5, "hard_weight": 0.5, "temperature": 1.0},
        "cirkd": {"weight": 1.0, "temperature": 1.0},
    }
    citation = """@article{hinton2015distilling,
  title   = {Distilling the Knowledge in a Neural Network},
  author  = {Hinton, Geoffrey and Vinyals, Oriol and Dean, Jeff},
  journal = {arXiv preprint arXiv:1503.02531},
  year    = {2015}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 0.25,
        hard_weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(pairs, num_classes)
        positive(temperature=temperature)
        self.weight, self.hard_weight, self.temperature = weight, hard_weight, temperature

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        loss = kd_loss(
            student.logits,
            teacher.logits,
            temperature=self.temperature,
            valid=target != IGNORE_INDEX,
        )
        return {"kd": self.weight * loss}
