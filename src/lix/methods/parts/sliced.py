"""Means over pixels of losses with a gradient in closed form, some pixels at a time.

What `fused.py` is built on: each of its losses says what a slice costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SLICE = {"cpu": 2**17}
"""Numbers in a slice that stays in a core's cache; other devices take a whole image at once."""

Rule = Callable[..., tuple[Tensor, list[Tensor]]]
"""(K, n) slices of maps and (n,) slices of labels → the loss of each of the n pixels, and its
gradient with respect to the first maps, as many as there are gradients. May overwrite its input."""


def pixel_mean(rule: Rule, valid: Tensor | None, *maps: Tensor) -> Tensor:
    """Mean over valid pixels of a loss whose gradient is known in closed form.

    Args:
        rule: the loss of a slice and its gradients.
        valid: (B, …), true where a pixel counts; None: everywhere. Maps are 0 elsewhere.
        maps: (B, K, …) maps and (B, …) integer labels, in the order that `rule` takes them.
    """
    flat = [_flat(m, labels=not m.is_floating_point()) for m in maps]
    mask = None if valid is None else _flat(valid.bool(), labels=True)
    mean: Tensor = _SlicedMean.apply(rule, mask, *flat)
    return mean


def slice_length(m: Tensor, width: int) -> int:
    """How many rows of `width` numbers make a slice."""
    return max(1, SLICE.get(m.device.type, m.numel()) // width)


def _flat(m: Tensor, *, labels: bool) -> Tensor:
    """(B, K, N) maps or (B, N) labels; the rows of flat logits (N, K) become one sample."""
    if labels:
        m = m if m.dtype == torch.bool else m.long()
        return m.unsqueeze(0) if m.ndim == 1 else m.flatten(1)
    return m.mT.unsqueeze(0) if m.ndim == 2 else m.flatten(2)


class _SlicedMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rule: Rule, valid: Tensor | None, *maps: Tensor) -> Tensor:
        needed = ctx.needs_input_grad[2:]
        gradients = [torch.empty_like(m) if n else None for m, n in zip(maps, needed, strict=True)]
        total = maps[0].new_zeros(())
        whole = [] if valid is None else valid.all(dim=-1).tolist()
        for samples, pixels in _slices(maps[0]):
            here = samples, ..., pixels
            mask = None if valid is None or all(whole[samples]) else valid[here].flatten()
            values, derivatives = rule(*[_scratch(m[here], mask) for m in maps])
            total += (values if mask is None else values * mask).sum()
            for gradient, derivative in zip(gradients, derivatives, strict=False):
                if gradient is not None:
                    counted = derivative if mask is None else derivative * mask
                    part = gradient[here]
                    part.copy_(counted.view(len(counted), len(part), -1).transpose(0, 1))
        count = maps[0][:, 0].numel() if valid is None else valid.sum().clamp(min=1)
        ctx.save_for_backward(*[g for g in gradients if g is not None])
        ctx.needed, ctx.count = needed, count
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        stored = iter(ctx.saved_tensors)
        scale = upstream / ctx.count
        return None, None, *(next(stored) * scale if n else None for n in ctx.needed)


def _slices(m: Tensor) -> Iterator[tuple[slice, slice]]:
    """Where to cut (B, K, N) maps: into some samples at a time, or some pixels of one."""
    samples, classes, pixels = m.shape
    rows = slice_length(m[:1], classes)
    together = max(1, rows // max(1, pixels))
    for b in range(0, samples, together):
        for start in range(0, pixels, rows):
            yield slice(b, b + together), slice(start, start + rows)


def _scratch(piece: Tensor, mask: Tensor | None) -> Tensor:
    """A copy, class by class in memory, (K, n) or (n,), 0 where pixels do not count."""
    if piece.ndim == 3:
        piece = piece.transpose(0, 1)
    piece = piece.clone(memory_format=torch.contiguous_format).flatten(-2)
    return piece if mask is None else piece.masked_fill_(~mask, 0)
