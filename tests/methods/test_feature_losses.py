"""The losses of feature maps against slow versions of their equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lix.methods import (
    at_loss,
    dice,
    ft_loss,
    maskd_loss,
    nst_loss,
    pad_loss,
    rkd_loss,
    sp_loss,
    vid_loss,
)
from lix.methods.parts import sliced
from lix.methods.parts.masks import mean_squared
from tests.methods.feature_maps import approx, draw, positions, random_mask


def bilinear(f: Tensor, height: int, width: int) -> Tensor:
    """Resize, pixel centres at ½, as `align_corners=False` says."""

    def weights(old: int, new: int) -> Tensor:
        w = torch.zeros(new, old, dtype=f.dtype)
        for i in range(new):
            at = min(max((i + 0.5) * old / new - 0.5, 0), old - 1)
            low = min(int(at), old - 1)
            w[i, low] += 1 - (at - low)
            w[i, min(low + 1, old - 1)] += at - low
        return w

    return weights(f.shape[2], height) @ f @ weights(f.shape[3], width).T


def loop_at(fs: Tensor, ft: Tensor, p: int, valid: Tensor) -> float:
    total = 0.0
    for b in range(len(fs)):
        maps = []
        for f in (fs[b].tolist(), ft[b].tolist()):
            q = [
                sum(channel[i][j] ** p for channel in f) / len(f) if valid[b, i, j] else 0.0
                for i, j in positions(fs)
            ]
            maps.append([x / math.hypot(*q) for x in q])
        total += sum((s - t) ** 2 for s, t in zip(*maps, strict=True))
    return total / valid.sum().item()


def broadcast_nst(fs: Tensor, ft: Tensor) -> Tensor:
    """B x C x C x HW numbers, as the public code has it."""
    s, t = (F.normalize(f.flatten(2), dim=2) for f in (fs, ft))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a.unsqueeze(2) * b.unsqueeze(1)).sum(dim=3).square().mean()

    return kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)


def smooth_l1(a: float, b: float) -> float:
    d = abs(a - b)
    return d - 0.5 if d > 1 else 0.5 * d**2


def loop_rkd(es: list[list[float]], et: list[list[float]]) -> tuple[float, float]:
    """Distance and angle part."""
    n = range(len(es))

    def steps(e: list[list[float]], i: int, j: int) -> list[float]:
        return [b - a for a, b in zip(e[i], e[j], strict=True)]

    def distances(e: list[list[float]]) -> list[float]:
        d = [math.hypot(*steps(e, i, j)) for i in n for j in n]
        positive = [x for x in d if x > 0]
        return [x * len(positive) / sum(positive) for x in d]

    def angle(e: list[list[float]], i: int, j: int, k: int) -> float:
        a, b = steps(e, i, j), steps(e, i, k)
        lengths = math.hypot(*a) * math.hypot(*b)
        return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0

    near = zip(distances(es), distances(et), strict=True)
    triples = list(product(n, n, n))
    return (
        sum(smooth_l1(s, t) for s, t in near) / len(es) ** 2,
        sum(smooth_l1(angle(es, *ijk), angle(et, *ijk)) for ijk in triples) / len(triples),
    )


def loop_sp(fs: Tensor, ft: Tensor) -> float:
    similar = []
    for f in (fs, ft):
        rows = f.flatten(1).tolist()
        gram = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in rows] for a in rows]
        similar.append([g / math.hypot(*row) for row in gram for g in row])
    both = zip(*similar, strict=True)
    return sum((s - t) ** 2 for s, t in both) / len(fs) ** 2


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_at_equals_loops(p: int) -> None:
    fs, ft = draw(3, 4, 3, 5), draw(3, 6, 3, 5)
    every = torch.ones(3, 3, 5, dtype=torch.bool)
    assert at_loss(fs, ft, p=p).item() == approx(loop_at(fs, ft, p, every))
    valid = random_mask(3, 3, 5)
    assert at_loss(fs, ft, p=p, valid=valid).item() == approx(loop_at(fs, ft, p, valid))


@pytest.mark.parametrize("cut", [1, 70, 2**16])
@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_at_gradient_is_autograds(p: int, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is that of the plain formula, for slices of one channel, two or all."""
    monkeypatch.setitem(sliced.SLICE, "cpu", cut)
    fs, ft, valid = draw(2, 5, 3, 5).requires_grad_(), draw(2, 5, 3, 5), random_mask(2, 3, 5)
    qs, qt = ((f**p * valid.unsqueeze(1)).sum(dim=1).flatten(1) for f in (fs, ft))
    gaps = qs / qs.norm(dim=1, keepdim=True) - qt / qt.norm(dim=1, keepdim=True)
    losses = at_loss(fs, ft, p=p, valid=valid), gaps.square().sum() / valid.sum()
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, fs)[0] for loss in losses))


@pytest.mark.parametrize("loss", [at_loss, nst_loss])
def test_the_larger_map_is_resized_bilinearly(loss: Callable[..., Tensor]) -> None:
    """Each side by itself: the student is the wider, the teacher the higher one."""
    fs, ft = draw(2, 4, 3, 10), draw(2, 6, 7, 5)
    small = bilinear(fs, 3, 5), bilinear(ft, 3, 5)
    torch.testing.assert_close(loss(fs, ft), loss(*small), rtol=1e-9, atol=1e-12)


def test_nst_equals_the_broadcast() -> None:
    fs, ft = draw(3, 4, 3, 5).requires_grad_(), draw(3, 6, 3, 5)
    losses = nst_loss(fs, ft), broadcast_nst(fs, ft)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, fs)[0] for loss in losses))
    valid = random_mask(1, 3, 5)
    cut = [f[:, :, valid[0]].unsqueeze(3) for f in (fs, ft)]
    torch.testing.assert_close(nst_loss(fs, ft, valid=valid.expand(3, -1, -1)), broadcast_nst(*cut))


@pytest.mark.parametrize("samples", [3, 5])
def test_rkd_equals_loops(samples: int) -> None:
    es, et = draw(samples, 4), 3 * draw(samples, 6)
    distance, angle = loop_rkd(es.tolist(), et.tolist())
    assert rkd_loss(es, et).item() == approx(25 * distance + 50 * angle)
    angle_only = rkd_loss(es, et, distance_weight=0, angle_weight=1)
    assert angle_only.item() == approx(angle)


def test_rkd_of_maps_is_that_of_their_means() -> None:
    fs, ft = draw(4, 3, 2, 5), draw(4, 3, 6, 1)
    means = [f.mean(dim=(2, 3)) for f in (fs, ft)]
    torch.testing.assert_close(rkd_loss(fs, ft), rkd_loss(*means))
    valid = random_mask(4, 2, 5)
    means = [torch.stack([f[b][:, valid[b]].mean(1) for b in range(4)]) for f in (fs, 2 * fs**2)]
    torch.testing.assert_close(rkd_loss(fs, 2 * fs**2, valid=valid), rkd_loss(*means))


@pytest.mark.parametrize("samples", [1, 2])
def test_rkd_of_one_or_two_samples_is_exactly_zero(samples: int) -> None:
    fs = draw(samples, 4, 2, 3).requires_grad_()
    loss = rkd_loss(fs, draw(samples, 6, 2, 3))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(fs.grad, torch.zeros_like(fs))


def test_rkd_of_identical_samples_is_finite() -> None:
    es = draw(1, 4).expand(3, 4).clone().requires_grad_()
    for et in (draw(3, 4), es.detach()):
        loss = rkd_loss(es, et)
        loss.backward()
        assert loss.isfinite()
        assert es.grad.isfinite().all()


def test_sp_equals_loops() -> None:
    fs, ft = draw(3, 4, 2, 5), draw(3, 6, 3, 1)
    assert sp_loss(fs, ft).item() == approx(loop_sp(fs, ft))


def test_sp_of_a_single_sample_is_zero() -> None:
    fs = draw(1, 4, 2, 3).requires_grad_()
    loss = sp_loss(fs, draw(1, 6, 2, 3))
    loss.backward()
    assert loss.item() == 0
    assert fs.grad.abs().max() < 1e-15


def test_maskd_equals_the_broadcast() -> None:
    fs, ft, masks = draw(2, 4, 3, 5).requires_grad_(), draw(2, 4, 3, 5), torch.rand(2, 3, 3, 5)
    masks = masks.double()
    whole = (masks.unsqueeze(2) * (fs - ft).unsqueeze(1)).square().flatten(3).sum(3)
    expected = 0.5 * (whole / (masks.flatten(2).sum(2, keepdim=True) + 1e-5)).mean()
    actual = maskd_loss(fs, ft, masks)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, fs)[0] for v in (actual, expected)))


def test_dice_equals_loops() -> None:
    masks = torch.rand(2, 3, 2, 4).double()
    overlaps = []
    for b, i, j in product(range(2), range(3), range(3)):
        if i != j:
            one, other = masks[b, i].flatten().tolist(), masks[b, j].flatten().tolist()
            both = sum(x * y for x, y in zip(one, other, strict=True))
            overlaps.append(2 * both / (sum(x**2 for x in one) + sum(y**2 for y in other)))
    assert dice(masks).item() == approx(sum(overlaps) / len(overlaps))
    assert dice(masks[:, :1]).item() == 0


def test_ft_equals_loops() -> None:
    fs, ft, valid = draw(2, 3, 2, 4), draw(2, 3, 2, 4), random_mask(2, 2, 4)
    total = 0.0
    for b in range(2):
        s, t = ((f[b] * valid[b]).flatten().tolist() for f in (fs, ft))
        ls, lt = math.hypot(*s), math.hypot(*t)
        total += sum(abs(x / ls - y / lt) for x, y in zip(s, t, strict=True))
    assert ft_loss(fs, ft, valid=valid).item() == approx(total / 3 / valid.sum().item())


def test_vid_and_pad_equal_loops() -> None:
    s, t, valid = draw(2, 3, 2, 4), draw(2, 3, 2, 4), random_mask(2, 2, 4)
    raw, v = draw(3), draw(2, 3, 2, 4)
    vid, pad = [], []
    for b, c, (i, j) in product(range(2), range(3), positions(s)):
        if valid[b, i, j]:
            gap = (s[b, c, i, j].item() - t[b, c, i, j].item()) ** 2
            variance = math.log1p(math.exp(raw[c].item())) + 1e-5
            vid.append(0.5 * (gap / variance + math.log(variance)))
            log_variance = v[b, c, i, j].item()
            pad.append(gap / (math.exp(log_variance) + 1e-6) + log_variance)
    assert vid_loss(s, t, raw, valid=valid).item() == approx(sum(vid) / len(vid))
    assert pad_loss(s, t, v, valid=valid).item() == approx(sum(pad) / len(pad))


def test_pad_of_vectors_pools_the_maps() -> None:
    s, t, v = draw(3, 4, 2, 5), draw(3, 4, 2, 5), draw(3, 4)
    expected = pad_loss(s.mean(dim=(2, 3)), t.mean(dim=(2, 3)), v)
    torch.testing.assert_close(pad_loss(s, t, v), expected)


def test_zero_at_equality() -> None:
    f = draw(3, 4, 3, 5)
    masks = torch.rand(3, 2, 3, 5).double()
    scaled = [at_loss(f, -2 * f), nst_loss(f, 3 * f), sp_loss(f, 2 * f), rkd_loss(f, 2 * f + 1)]
    for loss in (*scaled, ft_loss(f, 5 * f), maskd_loss(f, f, masks), mean_squared(f, f, None)):
        assert loss.item() == pytest.approx(0, abs=1e-12)
    v = draw(3, 4, 3, 5)
    assert pad_loss(f, f, v).item() == approx(v.mean().item())
