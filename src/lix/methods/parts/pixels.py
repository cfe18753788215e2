"""Losses per pixel: which pixels count, and their mean computed slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from lix.core.types import IGNORE_INDEX

SLICE = {"cpu": 2**16}
"""Numbers in a slice that stays in a core's cache; other devices take a whole image at once."""

Rule = Callable[..., tuple[Tensor, list[Tensor]]]
"""(K, n) slices of maps and (n,) slices of labels → the loss of each of the n pixels, and its
gradient with respect to the first maps, as many as there are gradients. May overwrite its input."""


def check_logits(zs: Tensor, zt: Tensor, valid: Tensor | None = None) -> None:
    """Raise a ValueError unless `zs` and `zt` are (B, K, …) alike and `valid` is (B, …)."""
    if zs.shape != zt.shape or zs.ndim < 2:
        raise ValueError(
            f"Student and teacher logits must have one shape (B, K, H, W) or (B, K), "
            f"got {tuple(zs.shape)} and {tuple(zt.shape)}."
        )
    pixels = (zs.shape[0], *zs.shape[2:])
    if valid is not None and tuple(valid.shape) != pixels:
        raise ValueError(f"Target or valid must have shape {pixels}, got {tuple(valid.shape)}.")
    if valid is not None and valid.is_floating_point():
        raise ValueError(f"Target holds integers and valid booleans, got {valid.dtype}.")


def positive(**values: float) -> None:
    """Raise a ValueError unless all values are above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}.")


def labelled(target: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Where `target` holds a class; raise a ValueError where it holds neither class nor ignore."""
    valid = target != ignore_index
    wrong = valid & ((target < 0) | (target >= num_classes))
    if wrong.any():
        raise ValueError(
            f"Labels must lie in [0, {num_classes}) or be {ignore_index} (ignored), "
            f"got {int(target[wrong][0])}."
        )
    return valid


def blank(maps: Tensor, valid: Tensor | None) -> Tensor:
    """Zero the (B, C, …) `maps` where `valid` (B, …) is false, so that not even NaN leaks out."""
    return maps if valid is None else maps.masked_fill(~valid.unsqueeze(1), 0.0)


def masked_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of `values` where `valid` is true; 0, still connected to the graph, where none is.

    >>> masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([True, False]))
    tensor(1.)
    """
    if valid is None:
        return values.mean()
    return values.where(valid, values.new_zeros(())).sum() / valid.sum().clamp(min=1)


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a value without gradient over the processes of a distributed training.

    All of them must call it equally often. In a single process it is the value.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return value
    value = value.detach().clone()
    dist.all_reduce(value)
    return value / dist.get_world_size()


def pixel_mean(rule: Rule, valid: Tensor | None, *maps: Tensor) -> Tensor:
    """Mean over valid pixels of a loss whose gradient is known in closed form.

    Computes value and gradient together, a slice of pixels at a time, and keeps the gradient
    alone: nothing else of the size of the logits is stored. Differentiable once. For DKD and DWLD
    this beat `torch.compile` of the plain formulation (benchmarks/losses.py, docs/methods.md).

    Args:
        rule: the loss of a slice and its gradients.
        valid: (B, …), true where a pixel counts; None: everywhere. Maps are 0 elsewhere.
        maps: (B, K, …) maps and (B, …) integer labels, in the order that `rule` takes them.
    """
    flat = [_flat(m, labels=not m.is_floating_point()) for m in maps]
    counted = None if valid is None else _flat(valid.bool(), labels=True)
    mean: Tensor = _SlicedMean.apply(rule, counted, *flat)
    return mean


def slice_length(m: Tensor, width: int) -> int:
    """How many rows of so many numbers make a slice."""
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
        taught = ctx.needs_input_grad[2:]
        gradients = [torch.empty_like(m) if t else None for m, t in zip(maps, taught, strict=True)]
        total = maps[0].new_zeros(())
        for here in _slices(maps[0]):
            counted = None if valid is None else valid[here]
            values, slopes = rule(*[_scratch(m[here], counted) for m in maps])
            total += (values if counted is None else values * counted).sum()
            for gradient, slope in zip(gradients, slopes, strict=False):
                if gradient is not None:
                    gradient[here] = slope if counted is None else slope * counted
        pixels = maps[0][:, 0].numel() if valid is None else valid.sum().clamp(min=1)
        ctx.save_for_backward(*[g for g in gradients if g is not None])
        ctx.taught, ctx.pixels = taught, pixels
        return total / pixels

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        stored = iter(ctx.saved_tensors)
        scale = upstream / ctx.pixels
        return None, None, *(once(next(stored) * scale) if t else None for t in ctx.taught)


def once(gradient: Tensor) -> Tensor:
    """A gradient that has none itself: who differentiates it gets an error instead of 0."""
    if not torch.is_grad_enabled():
        return gradient
    kept: Tensor = _Once.apply(gradient.detach().requires_grad_())
    return kept


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise RuntimeError(
            "This loss can be differentiated once; a gradient penalty needs a plain version of it."
        )


def _slices(m: Tensor) -> Iterator[tuple[Any, ...]]:
    """Indices that cut (B, …, N) maps into slices of some pixels of one sample."""
    samples, pixels = m.shape[0], m.shape[-1]
    step = slice_length(m, m.shape[1])
    for b in range(samples):
        for start in range(0, pixels, step):
            yield b, ..., slice(start, start + step)


def _scratch(piece: Tensor, counted: Tensor | None) -> Tensor:
    """A copy, 0 where pixels do not count."""
    return piece.clone() if counted is None else piece.masked_fill(~counted, 0)
