"""What is measured of a frame while it is in memory: a few hundred bytes, from two networks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = (3, 6)
"""Rows and columns of the cells by which two frames are compared."""
SIDES = 2
"""Teacher and student."""


def measure(teacher: Tensor, student: Tensor) -> dict[str, Tensor]:
    r"""Measure a batch by the probabilities t of the teacher and s of the student.

    Of each pixel

        margin  m = t₍₁₎ − t₍₂₎            the teacher's best class before its second
        pull    d = ½ Σₖ |tₖ − sₖ|         total variation

    The gradient of KL(t‖s) in the student's logits is s − t, so d is half its L₁ norm: how hard the
    pixel pulls at the student. That is the idea of expected gradient length (Settles & Craven 2008)
    and of EL2N (Paul et al. 2021), with the teacher in place of the label. The margin (Scheffer et
    al. 2001) says how far the teacher is to be believed.

    Args:
        teacher, student: (B, K, H, W) logits.

    Returns:
        By name, each (B, K), by the teacher's class: `share` of the pixels, `teach`, the mean over
        all pixels of m·d, and `label`, that of 1 − m; and `layout`, (B, 2·K·18) uint8, the mean
        probabilities of both networks in each cell of a grid, 255 = 1.
    """
    t, s = teacher.float().softmax(dim=1), student.float().softmax(dim=1)
    best = t.topk(2, dim=1)
    margin = best.values[:, 0] - best.values[:, 1]
    pull = (t - s).abs().sum(dim=1) / 2
    maps = {"share": torch.ones_like(margin), "teach": margin * pull, "label": 1 - margin}
    classes = best.indices[:, 0].flatten(1)
    by_class = {
        name: torch.zeros(t.shape[:2], device=t.device).scatter_add_(1, classes, values.flatten(1))
        / classes.shape[1]
        for name, values in maps.items()
    }
    cells = F.adaptive_avg_pool2d(torch.cat([t, s], dim=1), GRID).flatten(1)
    return by_class | {"layout": (cells * 255).round().to(torch.uint8)}
