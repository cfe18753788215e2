"""The losses of logits as their papers' formulas, in loops over pixels and classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

Row = Sequence[float]


def softmax(row: Row, temperature: float) -> list[float]:
    powers = [math.exp(z / temperature) for z in row]
    return [p / sum(powers) for p in powers]


def kl(p: Row, q: Row) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def pearson(a: Row, b: Row) -> float:
    da, db = [x - fmean(a) for x in a], [y - fmean(b) for y in b]
    lengths = math.hypot(*da) * math.hypot(*db)
    return sum(x * y for x, y in zip(da, db, strict=True)) / lengths if lengths else 0.0


def pixels(z: Tensor, valid: Tensor) -> list[list[float]]:
    """The class scores of every valid pixel."""
    return z.movedim(1, -1)[valid].tolist()


def loop_kd(zs: Tensor, zt: Tensor, target: Tensor, valid: Tensor, T: float) -> float:
    both = zip(pixels(zs, valid), pixels(zt, valid), strict=True)
    return T**2 * fmean(kl(softmax(t, T), softmax(s, T)) for s, t in both)


def loop_cwkd(zs: Tensor, zt: Tensor, target: Tensor, valid: Tensor, T: float) -> float:
    channels = []
    for b, c in torch.cartesian_prod(*map(torch.arange, zs.shape[:2])).tolist():
        here = valid[b].reshape(-1)
        if here.any():
            s, t = (z[b, c].reshape(-1)[here].tolist() for z in (zs, zt))
            channels.append(kl(softmax(t, T), softmax(s, T)))
    return T**2 * fmean(channels)


def loop_dist(zs: Tensor, zt: Tensor, target: Tensor, valid: Tensor, T: float) -> float:
    ys, yt = ([softmax(row, T) for row in pixels(z, valid)] for z in (zs, zt))
    inter = 1 - fmean(pearson(s, t) for s, t in zip(ys, yt, strict=True))
    classes = zip(zip(*ys, strict=True), zip(*yt, strict=True), strict=True)
    intra = 1 - fmean(pearson(s, t) for s, t in classes)
    return 0.7 * inter + 1.9 * intra


def loop_wsld(zs: Tensor, zt: Tensor, target: Tensor, valid: Tensor, T: float) -> float:
    losses = []
    for s, t, k in zip(pixels(zs, valid), pixels(zt, valid), target[valid].tolist(), strict=True):
        hard_s, hard_t = (-math.log(softmax(row, 1)[k]) for row in (s, t))
        weight = 1 - math.exp(-hard_s / (hard_t + 1e-7))
        both = zip(softmax(t, T), softmax(s, T), strict=True)
        losses.append(-weight * sum(a * math.log(b) for a, b in both))
    return T**2 * fmean(losses)


def loop_dkd(zs: Tensor, zt: Tensor, target: Tensor, valid: Tensor, T: float) -> float:
    losses = []
    for s, t, k in zip(pixels(zs, valid), pixels(zt, valid), target[valid].tolist(), strict=True):
        ps, pt = softmax(s, T)[k], softmax(t, T)[k]
        rest_s, rest_t = (softmax(row[:k] + row[k + 1 :], T) for row in (s, t))
        losses.append(0.7 * kl((pt, 1 - pt), (ps, 1 - ps)) + 1.9 * kl(rest_t, rest_s))
    return T**2 * fmean(losses)
