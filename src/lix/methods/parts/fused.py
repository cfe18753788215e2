"""Fast twins of the losses per pixel and per channel: value and gradient in one pass.

Each function computes what the definition of the same name in the method's file does, with the
gradient in closed form, a slice of pixels at a time: nothing of the logits' size is stored but the
gradient. `tests/methods/test_fused.py` holds value and gradient of each pair equal. Training uses
the twins, which need a sixth to a third of the definitions' memory and no compiler, and mostly less
time (benchmarks/losses.py, docs/methods.md).

The twins trust their input (the door of `Method` has checked it) and can be differentiated once.
"""

from __future__ import annotations

import functools
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lix.methods.parts.decoupling import decouple
from lix.methods.parts.masks import valid_mask
from lix.methods.parts.precision import full_precision
from lix.methods.parts.sliced import Rule, pixel_mean, slice_length


@full_precision
def kd_loss(zs: Tensor, zt: Tensor, *, temperature: float, valid: Tensor | None) -> Tensor:
    """`lix.methods.kd_loss`; the gradient by z_s is T · (p_s - p_t)."""

    def rule(s: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
        log_s, log_t = (F.log_softmax(z / temperature, dim=0) for z in (s, t))
        p_t = log_t.exp()
        kl = (p_t * log_t.sub_(log_s)).sum(dim=0)
        return temperature**2 * kl, [temperature * log_s.exp_().sub_(p_t)]

    return pixel_mean(rule, valid, zs, zt)


@full_precision
def wsld_loss(zs: Tensor, zt: Tensor, target: Tensor, *, temperature: float) -> Tensor:
    """`lix.methods.wsld_loss`; the gradient by z_s is T · w · (p_s - p_t)."""

    def rule(s: Tensor, t: Tensor, k: Tensor) -> tuple[Tensor, list[Tensor]]:
        hard_s, hard_t = (F.cross_entropy(z.mT, k, reduction="none") for z in (s, t))
        weight = 1 - torch.exp(-hard_s / (hard_t + 1e-7))
        log_s = F.log_softmax(s.div_(temperature), dim=0)
        p_t = t.div_(temperature).softmax(dim=0)
        soft = -(p_t * log_s).sum(dim=0)
        gradient = log_s.exp_().sub_(p_t).mul_(temperature * weight)
        return temperature**2 * weight * soft, [gradient]

    return pixel_mean(rule, valid_mask(target), zs, zt, target)


@full_precision
def dkd_loss(
    zs: Tensor, zt: Tensor, target: Tensor, *, alpha: float, beta: float, temperature: float
) -> Tensor:
    """`lix.methods.dkd_loss`; the gradient by the target's logit is α · (p_s - p_t) of class k."""

    def rule(z_s: Tensor, z_t: Tensor, k: Tensor) -> tuple[Tensor, list[Tensor]]:
        s, t = decouple(z_s.div_(temperature), k), decouple(z_t.div_(temperature), k)
        tcld = _binary_kl(t.target_logit, s.target_logit).squeeze(0)
        ncld = (t.nontarget * t.log_nontarget.sub_(s.log_nontarget)).sum(dim=0)
        grad_target = alpha * (s.target_logit.sigmoid() - t.target_logit.sigmoid())
        gradient = s.nontarget.mul_(beta - grad_target).sub_(t.nontarget.mul_(beta))
        gradient.scatter_(0, k.unsqueeze(0), grad_target)
        return temperature**2 * (alpha * tcld + beta * ncld), [gradient.mul_(temperature)]

    return pixel_mean(rule, valid_mask(target), zs, zt, target)


@full_precision
def dwld_loss(
    zs: Tensor,
    zt: Tensor,
    target: Tensor,
    beta: Tensor | float,
    *,
    alpha: float,
    direction: str,
    form: str,
) -> Tensor:
    """`lix.methods.dwld_loss`, with gradients by z_s and β."""
    rule = functools.partial(DWLD_RULES[form, direction], alpha)
    valid = valid_mask(target)
    if isinstance(beta, Tensor):
        return pixel_mean(rule, valid, zs, beta, zt, target)
    return pixel_mean(
        lambda s, t, k: rule(s, torch.full_like(s, beta), t, k), valid, zs, zt, target
    )


def _forward(
    alpha: float, z_s: Tensor, beta: Tensor, z_t: Tensor, k: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Eq. 9 with KL(T ‖ S)."""
    s, t = decouple(z_s, k), decouple(z_t, k)
    ncld = t.log_nontarget.sub_(s.log_nontarget).mul_(t.nontarget)
    grad_target = alpha * (s.target_logit.sigmoid() - t.target_logit.sigmoid())
    tcld = _binary_kl(t.target_logit, s.target_logit).squeeze(0)
    loss = alpha * tcld + (beta * ncld).sum(dim=0)
    weighted = t.nontarget.mul_(beta)
    gradient = s.nontarget.mul_(weighted.sum(dim=0) - grad_target).sub_(weighted)
    return loss, [gradient.scatter_(0, k.unsqueeze(0), grad_target), ncld]


def _reverse(
    alpha: float, z_s: Tensor, beta: Tensor, z_t: Tensor, k: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Eq. 9 with KL(S ‖ T)."""
    s, t = decouple(z_s, k), decouple(z_t, k)
    ratio = s.log_nontarget.sub_(t.log_nontarget)
    ncld = ratio * s.nontarget
    p_target = s.target_logit.sigmoid()
    grad_target = alpha * p_target * (1 - p_target) * (s.target_logit - t.target_logit)
    tcld = _binary_kl(s.target_logit, t.target_logit).squeeze(0)
    loss = alpha * tcld + (beta * ncld).sum(dim=0)
    grad_nontarget = beta * (ratio + 1)
    mean = (s.nontarget * grad_nontarget).sum(dim=0)
    gradient = s.nontarget * (grad_nontarget - mean - grad_target)
    return loss, [gradient.scatter_(0, k.unsqueeze(0), grad_target), ncld]


def _weighted_kl(
    alpha: float, z_s: Tensor, beta: Tensor, z_t: Tensor, k: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """`form="kl"`: Eq. 2 with the weight of every logit."""
    log_ratio = z_t - z_s  # up to the totals, which come off below
    logit_s, s, others_s = _split(z_s, k)
    logit_t, t, others_t = _split(z_t, k)
    log_ratio.sub_(others_t - others_s)
    difference = t - s
    p_other = (-logit_t).sigmoid()
    ncld = torch.addcmul(difference, t, log_ratio, value=-1).mul_(-p_other)
    ncld.scatter_(0, k.unsqueeze(0), alpha * _binary_kl(logit_t, logit_s))
    p_difference = logit_s.sigmoid() - logit_t.sigmoid()
    grad_target = alpha * beta.gather(0, k.unsqueeze(0)) * p_difference
    loss = (beta * ncld).sum(dim=0)
    weighted = difference.mul_(beta.mul_(p_other))
    gradient = s.mul_(weighted.sum(dim=0) - grad_target).sub_(weighted)
    return loss, [gradient.scatter_(0, k.unsqueeze(0), grad_target), ncld]


def _binary_kl(logit: Tensor, other: Tensor) -> Tensor:
    """`binary_kl` to float's absolute precision, by a faster log-sigmoid."""
    gain = _log_sigmoid(logit) - _log_sigmoid(other)
    return gain - (-logit).sigmoid() * (logit - other)


def _log_sigmoid(x: Tensor) -> Tensor:
    return x.clamp(max=0) - (1 + (-x.abs()).exp()).log()


def _split(z: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`decouple`'s log-odds and non-target probabilities, and the others' log-sum-exp; ends z."""
    target_logit = z.gather(0, k.unsqueeze(0))
    z.scatter_(0, k.unsqueeze(0), -torch.inf)
    highest = z.amax(dim=0, keepdim=True)
    total = z.sub_(highest).exp_().sum(dim=0, keepdim=True)
    others = total.log().add_(highest)
    return target_logit - others, z.div_(total), others


DWLD_RULES: dict[tuple[str, str], Rule] = {
    ("eq9", "forward"): _forward,
    ("eq9", "reverse"): _reverse,
    ("kl", "forward"): _weighted_kl,
}


@full_precision
def cwkd_loss(zs: Tensor, zt: Tensor, *, temperature: float, valid: Tensor | None) -> Tensor:
    """`lix.methods.cwkd_loss`; the gradient by z_s is T/(B·K) · (φ(z_s) - φ(z_t))."""
    positions = None if valid is None else valid.reshape(len(valid), -1)
    maps = [z.reshape(*z.shape[:2], -1) for z in (zs, zt)]
    loss: Tensor = _ChannelKL.apply(*maps, temperature, positions)
    return loss


class _ChannelKL(torch.autograd.Function):
    """The loss of (B, K, N) maps, some channels at a time."""

    @staticmethod
    def forward(
        ctx: Any, zs: Tensor, zt: Tensor, temperature: float, valid: Tensor | None
    ) -> Tensor:
        gradient, total = torch.zeros_like(zs), zs.new_zeros(())
        samples, channels, positions = zs.shape
        labelled = range(samples) if valid is None else valid.any(dim=1).nonzero()[:, 0].tolist()
        step = slice_length(zs, positions)
        for b, start in product(labelled, range(0, channels, step)):
            here = b, slice(start, start + step)
            s, t = zs[here] / temperature, zt[here] / temperature
            if valid is not None:
                s, t = (z.masked_fill_(~valid[b], -torch.inf) for z in (s, t))
            log_s, log_t = F.log_softmax(s, dim=1), F.log_softmax(t, dim=1)
            p_t = log_t.exp()
            ratio = log_t.sub_(log_s).masked_fill_(p_t == 0, 0.0)
            total += (p_t * ratio).sum()
            gradient[here] = log_s.exp_().sub_(p_t)
        rows = max(1, len(labelled) * channels)
        ctx.save_for_backward(gradient)
        ctx.scale = temperature / rows
        return total * (temperature**2 / rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * (upstream * ctx.scale), None, None, None


def mean_power(f: Tensor, p: int) -> Tensor:
    """`f.pow(p).mean(dim=1)` of maps (B, C, H, W), some channels at a time."""
    mean: Tensor = _MeanPower.apply(f, p)
    return mean


class _MeanPower(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, f: Tensor, p: int) -> Tensor:
        ctx.save_for_backward(f)
        ctx.p = p
        total = torch.zeros_like(f[:, 0])
        for piece in f.split(slice_length(f, total.numel()), dim=1):
            total += piece.pow(p).sum(dim=1)
        return total / f.shape[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (f,) = ctx.saved_tensors
        slope = (upstream * (ctx.p / f.shape[1])).unsqueeze(1)
        return (f if ctx.p == 2 else f.pow(ctx.p - 1)) * slope, None


def centred_gram(x: Tensor) -> Tensor:
    """HX(HX)ᵀ, H = I - 11ᵀ/C, of (B, C, N): Gram matrix of the channels less their mean."""
    gram: Tensor = _CentredGram.apply(x)
    return gram


class _CentredGram(torch.autograd.Function):
    """Keeps X instead of HX for its gradient H(G + Gᵀ)H·X."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        centred = x - x.mean(dim=1, keepdim=True)
        return centred @ centred.mT

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient = upstream + upstream.mT
        gradient = gradient - gradient.mean(dim=1, keepdim=True)
        return (gradient - gradient.mean(dim=2, keepdim=True)) @ x
