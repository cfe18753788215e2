"""Targets for frames that nobody labelled: the teacher's classes."""

from __future__ import annotations

import torch
from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.methods.parts.checks import check_target


@torch.no_grad()
def pseudo_target(
    target: Tensor, teacher_logits: Tensor, valid: Tensor, *, min_confidence: float = 0.0
) -> Tensor:
    """Fill the teacher's class in where a frame has no label.

    A target of 255 says "no label here" for two reasons: nothing may be learnt (void, padding), or
    nobody labelled the frame. `valid` tells them apart, so every method then works on the result as
    on labels.

    Args:
        target: (B, H, W) integers: train ids, 255 where no label is known.
        teacher_logits: (B, K, H, W).
        valid: (B, H, W), true where a pixel without a label may be filled: false on padding, and
            on void pixels of labelled frames.
        min_confidence: least probability of the teacher's class, in [0, 1]; a pixel below it
            stays 255.

    Returns:
        (B, H, W) int64; labels are kept.

    Raises:
        ValueError: shapes, types or values that do not fit.

    >>> logits = torch.tensor([[[[0.0, 2.0]], [[1.0, 0.0]]]])
    >>> pseudo_target(torch.full((1, 1, 2), 255), logits, torch.tensor([[[True, False]]])).tolist()
    [[[1, 255]]]
    """
    target = check_target(target, teacher_logits)
    if valid.shape != target.shape or valid.dtype != torch.bool:
        raise ValueError(
            f"valid must be boolean of shape {tuple(target.shape)}, got {valid.dtype} "
            f"{tuple(valid.shape)}."
        )
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence must lie in [0, 1], got {min_confidence}.")
    logits, classes = teacher_logits.max(dim=1)
    fill = valid & (target == IGNORE_INDEX)
    if min_confidence > 0:
        confidence = (logits.float() - teacher_logits.float().logsumexp(dim=1)).exp()
        fill &= confidence >= min_confidence
    return target.where(~fill, classes)
