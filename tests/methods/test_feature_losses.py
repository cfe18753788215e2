"""The losses over feature maps against loops, and what each method class promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.catalog import entries
from lix.methods import (
    FeaturePair,
    Maps,
    Method,
    at_loss,
    build_method,
    dice,
    ft_loss,
    kd_loss,
    maskd_loss,
    nst_loss,
    pad_loss,
    pixels,
    rkd_loss,
    sp_loss,
    vid_loss,
)
from lix.methods.afdcd import contrast_loss
from lix.methods.cells import CellNorm, mean_squared, pooled, unit, valid_cells
from lix.methods.diffkd import ddim_step, schedule
from lix.networks import FeatureSpec, SegOutput

K = 5


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def pair(student: int, teacher: int) -> FeaturePair:
    return FeaturePair(FeatureSpec(student, 4), FeatureSpec(teacher, 4))


def compare(method: Method, fs: Tensor, ft: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The terms of one pair of maps, at one seed, with the same logits every time."""
    torch.manual_seed(1)
    zs, zt = torch.randn(2, len(fs), K, *target.shape[1:]).to(fs.dtype)
    return method(SegOutput(zs, {"s": fs}), SegOutput(zt, {"t": ft}), target)


def approx(expected: float) -> object:
    return pytest.approx(expected, rel=1e-9, abs=1e-12)


# Slow versions.


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


def positions(f: Tensor) -> list[tuple[int, int]]:
    return list(product(range(f.shape[-2]), range(f.shape[-1])))


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


def loop_contrast(
    fs: Tensor, ft: Tensor, groups: int, patch: int, temperature: float, valid: Tensor
) -> float:
    size = fs.shape[1] // groups
    total = 0.0

    def item(f: Tensor, b: int, place: tuple[int, int], m: int) -> list[float]:
        return f[b, m * size : (m + 1) * size, place[0], place[1]].tolist()

    def similar(a: list[float], b: list[float]) -> float:
        return -sum(abs(x - y) for x, y in zip(a, b, strict=True)) / temperature

    for b, here, m in product(range(len(fs)), positions(fs), range(groups)):
        if not valid[b, here[0], here[1]]:
            continue
        anchor = item(fs, b, here, m)
        positive = similar(anchor, item(ft, b, here, m))
        negatives = [
            similar(anchor, item(ft, b, there, other))
            for there, other in product(positions(fs), range(groups))
            if other != m
            and valid[b, there[0], there[1]]
            and all(x // patch == y // patch for x, y in zip(here, there, strict=True))
        ]
        top = max([positive, *negatives])
        total += top + math.log(sum(math.exp(x - top) for x in [positive, *negatives])) - positive
    return total / valid.sum().item()


# The pure functions.


def random_cells(*shape: int) -> Tensor:
    cells = torch.rand(shape) > 0.4
    cells[:, 0, 0] = True
    return cells


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_at_equals_loops(p: int) -> None:
    fs, ft = draw(3, 4, 3, 5), draw(3, 6, 3, 5)
    every = torch.ones(3, 3, 5, dtype=torch.bool)
    assert at_loss(fs, ft, p=p).item() == approx(loop_at(fs, ft, p, every))
    cells = random_cells(3, 3, 5)
    assert at_loss(fs, ft, p=p, valid=cells).item() == approx(loop_at(fs, ft, p, cells))


@pytest.mark.parametrize("cut", [1, 70, 2**16])
@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_at_gradient_is_autograds(p: int, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the plain formula, for slices of one channel, two or all."""
    monkeypatch.setitem(pixels.SLICE, "cpu", cut)
    fs, ft, cells = draw(2, 5, 3, 5).requires_grad_(), draw(2, 5, 3, 5), random_cells(2, 3, 5)
    qs, qt = ((f**p * cells.unsqueeze(1)).sum(dim=1).flatten(1) for f in (fs, ft))
    gaps = qs / qs.norm(dim=1, keepdim=True) - qt / qt.norm(dim=1, keepdim=True)
    losses = at_loss(fs, ft, p=p, valid=cells), gaps.square().sum() / cells.sum()
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
    cells = random_cells(1, 3, 5)
    cut = [f[:, :, cells[0]].unsqueeze(3) for f in (fs, ft)]
    torch.testing.assert_close(nst_loss(fs, ft, valid=cells.expand(3, -1, -1)), broadcast_nst(*cut))


@pytest.mark.parametrize("samples", [3, 5])
def test_rkd_equals_loops(samples: int) -> None:
    es, et = draw(samples, 4), 3 * draw(samples, 6)
    distance, angle = loop_rkd(es.tolist(), et.tolist())
    assert rkd_loss(es, et).item() == approx(25 * distance + 50 * angle)
    alone = rkd_loss(es, et, distance_weight=0, angle_weight=1)
    assert alone.item() == approx(angle)


def test_rkd_of_maps_is_that_of_their_means() -> None:
    fs, ft = draw(4, 3, 2, 5), draw(4, 3, 6, 1)
    means = [f.mean(dim=(2, 3)) for f in (fs, ft)]
    torch.testing.assert_close(rkd_loss(fs, ft), rkd_loss(*means))
    cells = random_cells(4, 2, 5)
    means = [torch.stack([f[b][:, cells[b]].mean(1) for b in range(4)]) for f in (fs, 2 * fs**2)]
    torch.testing.assert_close(rkd_loss(fs, 2 * fs**2, valid=cells), rkd_loss(*means))


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
    fs, ft, cells = draw(2, 3, 2, 4), draw(2, 3, 2, 4), random_cells(2, 2, 4)
    total = 0.0
    for b in range(2):
        s, t = ((f[b] * cells[b]).flatten().tolist() for f in (fs, ft))
        ls, lt = math.hypot(*s), math.hypot(*t)
        total += sum(abs(x / ls - y / lt) for x, y in zip(s, t, strict=True))
    assert ft_loss(fs, ft, valid=cells).item() == approx(total / 3 / cells.sum().item())


def test_vid_and_pad_equal_loops() -> None:
    s, t, cells = draw(2, 3, 2, 4), draw(2, 3, 2, 4), random_cells(2, 2, 4)
    raw, v = draw(3), draw(2, 3, 2, 4)
    vid, pad = [], []
    for b, c, (i, j) in product(range(2), range(3), positions(s)):
        if cells[b, i, j]:
            gap = (s[b, c, i, j].item() - t[b, c, i, j].item()) ** 2
            variance = math.log1p(math.exp(raw[c].item())) + 1e-5
            vid.append(0.5 * (gap / variance + math.log(variance)))
            log_variance = v[b, c, i, j].item()
            pad.append(gap / (math.exp(log_variance) + 1e-6) + log_variance)
    assert vid_loss(s, t, raw, valid=cells).item() == approx(sum(vid) / len(vid))
    assert pad_loss(s, t, v, valid=cells).item() == approx(sum(pad) / len(pad))


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


# Cells.


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [(3, 5), (4, 4), (5, 7), (12, 20), (24, 25)])
def test_a_cell_counts_if_it_covers_a_labelled_pixel(size: tuple[int, int], turned: bool) -> None:
    """Also in a target that is not contiguous."""
    target = torch.where(torch.rand(2, *((20, 12) if turned else (12, 20))) < 0.1, 1, 255)
    target = target.mT if turned else target
    actual = valid_cells(target, size)
    for b, i, j in product(range(2), range(size[0]), range(size[1])):
        (top, bottom), (left, right) = (
            (math.floor(k * whole / parts), math.ceil((k + 1) * whole / parts))
            for k, whole, parts in ((i, 12, size[0]), (j, 20, size[1]))
        )
        seen = any(
            target[b, y, x] != 255 for y, x in product(range(top, bottom), range(left, right))
        )
        assert actual[b, i, j] == seen


def test_unit_of_zero_is_zero_without_gradient() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    torch.testing.assert_close(unit(x), torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    unit(x)[:, 0].sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[0.0, 0.0], [0.128, -0.096]]))


def test_pooled_means_over_valid_cells() -> None:
    f, cells = draw(2, 3, 2, 4), random_cells(2, 2, 4)
    expected = torch.stack([f[b][:, cells[b]].mean(dim=1) for b in range(2)])
    f.movedim(1, -1)[~cells] = float("nan")
    torch.testing.assert_close(pooled(f, cells), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("explicit", [True, False])
def test_cell_norm_of_all_cells_is_batch_norm(training: bool, explicit: bool) -> None:
    ours, theirs = (norm.double().train(training) for norm in (CellNorm(3), nn.BatchNorm2d(3)))
    with torch.no_grad():
        for state in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            if state[0].ndim:
                state[0].copy_(state[1].copy_(torch.rand(3) + 0.5))
    f = draw(2, 3, 4, 5).requires_grad_()
    cells = torch.ones(2, 4, 5, dtype=torch.bool) if explicit else None
    outputs = ours(f, cells), theirs(f)
    torch.testing.assert_close(*outputs)
    weight = draw(2, 3, 4, 5)
    torch.testing.assert_close(*(torch.autograd.grad((o * weight).sum(), f)[0] for o in outputs))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("training", [True, False])
def test_cell_norm_counts_valid_cells_alone(training: bool) -> None:
    cells = random_cells(2, 4, 5)
    f = 3 + 2 * draw(2, 3, 4, 5)
    rows = nn.BatchNorm1d(3).double().train(training)
    expected = rows(f.movedim(1, -1)[cells])
    f.movedim(1, -1)[~cells] = float("nan")
    norm = CellNorm(3).double().train(training)
    normed = norm(f.requires_grad_(), cells)
    torch.testing.assert_close(normed.movedim(1, -1)[cells], expected)
    assert not normed.movedim(1, -1)[~cells].any()
    torch.testing.assert_close(norm.state_dict(), rows.state_dict())
    (normed * draw(2, 3, 4, 5)).sum().backward()
    assert f.grad.isfinite().all()
    assert not f.grad.movedim(1, -1)[~cells].any()


@pytest.mark.parametrize("counted", [0, 1])
def test_cell_norm_trains_with_a_single_cell_or_none(counted: int) -> None:
    norm, cells = CellNorm(3), torch.zeros(2, 4, 5, dtype=torch.bool)
    cells[1, 2, 3] = bool(counted)
    nn.init.constant_(norm.bias, 0.5)
    f = torch.randn(2, 3, 4, 5, requires_grad=True)
    normed = norm(f, cells)
    normed.sum().backward()
    torch.testing.assert_close(normed[1, :, 2, 3], (f[1, :, 2, 3] + 0.5) * counted)
    assert f.grad.sum().item() == 3 * counted
    assert norm.bias.grad.tolist() == [float(counted)] * 3
    assert norm(torch.randn(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def test_cell_norm_of_a_single_cell_uses_running_statistics_in_evaluation() -> None:
    norm, batch_norm = CellNorm(3).eval(), nn.BatchNorm2d(3).eval()
    for module in (norm, batch_norm):
        module.running_mean.fill_(2.0)
        module.running_var.fill_(9.0)
    f, cells = torch.randn(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool)
    cells[0, 1, 0] = True
    torch.testing.assert_close(norm(f, cells)[..., 1, 0], batch_norm(f)[..., 1, 0])
    torch.testing.assert_close(norm(f[..., :1, :1]), batch_norm(f[..., :1, :1]))


# The method classes.

FEATURE_METHODS = [
    name for name, entry in entries("methods").items() if entry.load().kind in ("feature", "both")
]


@pytest.mark.parametrize("channels", [(6, 8), (8, 8)])
@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_maps_of_other_sizes_are_compared_as_resized(name: str, channels: tuple[int, int]) -> None:
    """Maps that are not square, one higher and the other wider; other and equal channels."""
    fs = torch.randn(3, channels[0], 4, 10, requires_grad=True)
    ft = torch.randn(3, channels[1], 6, 9)
    target = torch.randint(0, K, (3, 12, 20))
    torch.manual_seed(0)
    method = build_method(name, [pair(*channels)], K)
    terms = compare(method, fs, ft, target)
    small = [F.interpolate(f, size=(4, 9), mode="bilinear") for f in (fs, ft)]
    torch.manual_seed(0)
    again = build_method(name, [pair(*channels)], K)
    torch.testing.assert_close(terms, compare(again, *small, target))
    sum(terms.values()).backward()
    assert fs.grad.isfinite().all()
    assert fs.grad.flatten(1).any(dim=1).all()


def pointwise(part: nn.Module) -> None:
    """Leave the centres of 3x3 kernels alone, so that upsampling commutes with the layers."""
    for layer in part.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.kernel_size == (3, 3):
            with torch.no_grad():
                centre = layer.weight[:, :, 1, 1].clone()
                layer.weight.zero_()[:, :, 1, 1] = centre


@pytest.mark.parametrize(
    ("name", "official_shrinks"), [("at", 4), ("ft", 2), ("fitnet", None), ("vid", None)]
)
@pytest.mark.parametrize("ignored", [False, True])
def test_size_free_losses_do_not_depend_on_the_resolution(
    name: str, official_shrinks: float | None, ignored: bool
) -> None:
    """The same map at twice the height and width costs the same; the official means shrink."""
    fs, ft = draw(2, 6, 3, 5), draw(2, 8, 3, 5)
    target = torch.zeros(2, 12, 20, dtype=torch.long)
    target[0, :4] = 255 if ignored else 0
    method = build_method(name, [pair(6, 8)], K).double()
    pointwise(method)
    large = [f.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) for f in (fs, ft)]
    before, after = (compare(method, *maps, target)[name] for maps in ((fs, ft), large))
    assert before.item() > 1e-3
    torch.testing.assert_close(after, before, rtol=1e-9, atol=0)
    if official_shrinks:
        method.size_free = False
        before, after = (compare(method, *maps, target)[name] for maps in ((fs, ft), large))
        torch.testing.assert_close(after, before / official_shrinks, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("name", "factor"), [("at", 7.5), ("ft", math.sqrt(2 * 7.5))], ids=["at", "ft"]
)
def test_size_free_losses_multiply_the_official_mean(name: str, factor: float) -> None:
    """By h·w, or √(M·h·w), h·w the cells with labels: 5 and 10 of 15 here."""
    fs, ft, target = draw(2, 6, 3, 5), draw(2, 8, 3, 5), torch.zeros(2, 12, 20).long()
    target[0, :8], target[1, :4] = 255, 255
    method = build_method(name, [pair(6, 8)], K, **({"k": 0.25} if name == "ft" else {})).double()
    free = compare(method, fs, ft, target)[name]
    method.size_free = False
    torch.testing.assert_close(free, factor * compare(method, fs, ft, target)[name])


def test_vid_variances_become_the_residuals() -> None:
    """The mean cannot be told from this student, so σ² must become the teacher's variance."""
    torch.manual_seed(0)
    fs, ft = torch.zeros(4, 3, 3, 4), torch.randn(4, 3, 3, 4)
    ft *= torch.tensor([0.3, 1.0, 3.0]).view(1, 3, 1, 1)
    target = torch.zeros(4, 3, 4, dtype=torch.long)
    method = build_method("vid", [pair(3, 3)], K, weight=1.0)
    log_scale = method.heads[0].log_scale
    torch.testing.assert_close(F.softplus(log_scale.detach()), torch.full((3,), 5.0))
    optimizer = torch.optim.SGD(method.parameters(), lr=4.0, momentum=0.8)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        losses.append(compare(method, fs, ft, target)["vid"])
        losses[-1].backward()
        optimizer.step()
    residuals = ft.square().mean(dim=(0, 2, 3))
    torch.testing.assert_close(F.softplus(log_scale.detach()), residuals, rtol=0.05, atol=0.01)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("hint_epochs", "epoch", "factor", "hard"),
    [
        (0, 0, 7.0, 1.0),
        (0, math.inf, 7.0, 1.0),
        (2, 0, 7.0, 0.0),
        (2, 1, 7.0, 0.0),
        (2, 2, 0.0, 1.0),
        (2, math.inf, 7.0, 1.0),
    ],
)
def test_fitnet_hints_come_first(
    hint_epochs: int, epoch: float, factor: float, hard: float
) -> None:
    fs, ft = torch.randn(2, 6, 3, 5, requires_grad=True), torch.randn(2, 8, 3, 5)
    method = build_method("fitnet", [pair(6, 8)], K, weight=7.0, hint_epochs=hint_epochs)
    method.epoch = epoch
    term = compare(method, fs, ft, torch.zeros(2, 6, 10).long())["fitnet"]
    expected = factor * F.mse_loss(method.regressors[0](fs), ft)
    torch.testing.assert_close(term, expected)
    assert method.hard_weight == hard
    term.backward()
    assert fs.grad.any() == bool(factor)


def test_pad_warms_up_with_the_squared_error() -> None:
    fs, ft, target = draw(2, 6, 3, 5), draw(2, 8, 3, 5), torch.zeros(2, 6, 10).long()
    method = build_method("pad", [pair(6, 8)], K, weight=2.0, warmup_epochs=2).double()
    branch = method.branches[0]
    aligned = branch.align(fs)
    plain = 2 * F.mse_loss(aligned, ft)
    log_variance = nn.BatchNorm2d(8).double()(branch.head(aligned))
    for epoch, expected in {
        0: plain,
        1: plain,
        2: 2 * pad_loss(aligned, ft, log_variance),
        math.inf: 2 * pad_loss(aligned, ft, log_variance),
    }.items():
        method.epoch = epoch
        method.zero_grad()
        term = compare(method, fs, ft, target)["pad"]
        torch.testing.assert_close(term, expected)
        term.backward()
        assert branch.head.weight.grad.any() == (epoch >= 2)
        assert branch.align.weight.grad.any()


# Af-DCD.


@pytest.mark.parametrize(
    ("shape", "groups", "patch"), [((2, 4, 3, 5), 2, 2), ((1, 6, 4, 4), 3, 4), ((2, 3, 2, 3), 3, 1)]
)
@pytest.mark.parametrize("masked", [False, True])
def test_contrast_equals_loops(
    shape: tuple[int, ...], groups: int, patch: int, masked: bool
) -> None:
    """With sizes that are no multiple of the patch, and cells that do not count."""
    fs, ft = draw(*shape), draw(*shape)
    cells = torch.ones(shape[0], *shape[2:], dtype=torch.bool)
    if masked:
        cells = random_cells(*cells.shape)
    expected = loop_contrast(fs, ft, groups, patch, 0.5, cells)
    if masked:
        for f in (fs, ft):
            f.movedim(1, -1)[~cells] = float("nan")
    valid = cells if masked else None
    options = {"groups": groups, "patch": patch, "temperature": 0.5, "valid": valid}
    assert contrast_loss(fs, ft, **options).item() == approx(expected)


def test_contrast_counts_no_padding() -> None:
    """A 9 x 13 map costs what it costs inside a 12 x 16 one whose other cells do not count."""
    fs, ft = draw(1, 8, 12, 16), draw(1, 8, 12, 16)
    inside = torch.zeros(1, 12, 16, dtype=torch.bool)
    inside[:, :9, :13] = True
    cut = [f[:, :, :9, :13] for f in (fs, ft)]
    whole = contrast_loss(fs, ft, groups=4, valid=inside)
    torch.testing.assert_close(contrast_loss(*cut, groups=4), whole)


def test_contrast_refuses_groups_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match="3 groups do not divide 4 channels"):
        contrast_loss(draw(1, 4, 4, 4), draw(1, 4, 4, 4), groups=3)


@pytest.mark.parametrize("pool", [1, 4])
@pytest.mark.parametrize("size", [(12, 39), (9, 16), (1, 1)])
@pytest.mark.parametrize(("channels", "groups"), [(7, 7), (24, 12), (32, 16)])
def test_afdcd_takes_any_size_and_channels(
    size: tuple[int, int], pool: int, channels: int, groups: int
) -> None:
    """1248 x 384 and 512 x 288 at stride 32, where the official code fails."""
    method = build_method("afdcd", [pair(6, channels)], K, pool=pool)
    assert method.groups == [groups]
    fs, ft = torch.randn(2, 6, *size, requires_grad=True), torch.randn(2, channels, *size)
    terms = compare(method, fs, ft, torch.zeros(2, 2 * size[0], 2 * size[1]).long())
    assert set(terms) == {"afdcd_fd", "afdcd_contrast", "afdcd_kd"}
    assert all(term.isfinite() and term > 0 for term in terms.values())


def test_afdcd_refuses_channels_that_make_one_group() -> None:
    with pytest.raises(ValueError, match="17 channels cannot be cut"):
        build_method("afdcd", [pair(6, 17)], K)


@pytest.mark.parametrize("ratio", [0.0, 0.75])
def test_afdcd_masks_whole_positions(ratio: float) -> None:
    method = build_method("afdcd", [pair(6, 8)], K, mask_ratio=ratio)
    seen: list[Tensor] = []
    projector = method.restorers[0].projector
    projector.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    target = torch.zeros(2, 40, 50, dtype=torch.long)
    compare(method, torch.randn(2, 6, 40, 50), torch.randn(2, 8, 40, 50), target)
    masked = seen[0] == 0
    assert torch.equal(masked.any(dim=1), masked.all(dim=1))
    assert masked.all(dim=1).double().mean().item() == pytest.approx(ratio, abs=0.03)
    assert not torch.equal(masked[0], masked[1]) or not ratio


def test_afdcd_restoration_error_sums_or_averages() -> None:
    """The official sum over channels and positions per sample; by default their mean."""
    ft, restored, cells = draw(2, 8, 3, 5), draw(2, 8, 3, 5), random_cells(2, 3, 5)
    squares = (restored - ft).square().movedim(1, -1)[cells]
    maps = Maps(0, "f", draw(2, 6, 3, 5), ft, cells)
    method = build_method("afdcd", [pair(6, 8)], K, fd_weight=3.0)
    torch.testing.assert_close(method.weigh(maps, restored)["afdcd_fd"], 3 * squares.mean())
    method.size_free = False
    torch.testing.assert_close(method.weigh(maps, restored)["afdcd_fd"], 3 * squares.sum() / 2)


def test_afdcd_restoration_error_does_not_depend_on_the_resolution() -> None:
    small = draw(2, 8, 3, 5), draw(2, 8, 3, 5)
    large = [f.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) for f in small]
    method = build_method("afdcd", [pair(8, 8)], K)
    errors = [
        method.weigh(Maps(0, "f", ft, ft, None), restored)["afdcd_fd"]
        for ft, restored in (small, large)
    ]
    torch.testing.assert_close(*errors)


def test_afdcd_pools_the_valid_maxima() -> None:
    """Windows at the border are partial, and ignored cells never the maximum."""
    ft, restored = draw(1, 8, 5, 6), draw(1, 8, 5, 6)
    cells = random_cells(1, 5, 6)
    cells[0, :2, :2] = False
    method = build_method("afdcd", [pair(6, 8)], K, pool=2, contrast_weight=1.0)
    term = method.weigh(Maps(0, "f", ft, ft, cells), restored)["afdcd_contrast"]
    small, counted = [torch.zeros(1, 8, 3, 3).double() for _ in range(2)], torch.zeros(1, 3, 3)
    for i, j in product(range(3), range(3)):
        window = cells[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        counted[0, i, j] = window.any()
        for f, pooled_map in zip((restored, ft), small, strict=True):
            if window.any():
                values = f[0, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2][:, window]
                pooled_map[0, :, i, j] = values.amax(dim=1)
    expected = contrast_loss(*small, groups=8, valid=counted > 0)
    torch.testing.assert_close(term, expected)


def test_afdcd_distils_logits_too() -> None:
    fs, ft, target = torch.randn(2, 6, 4, 4), torch.randn(2, 8, 4, 4), torch.zeros(2, 8, 8).long()
    target[:, :3] = 255
    method = build_method("afdcd", [pair(6, 8)], K, kd_weight=0.5)
    terms = compare(method, fs, ft, target)
    torch.manual_seed(1)
    zs, zt = torch.randn(2, 2, K, 8, 8)
    torch.testing.assert_close(terms["afdcd_kd"], 0.5 * kd_loss(zs, zt, valid=target != 255))


# DiffKD.


def diffkd_terms(samples: int = 2, size: tuple[int, int] = (3, 5)):
    torch.manual_seed(0)
    method = build_method("diffkd", [pair(6, 16)], K)
    fs, ft = torch.randn(samples, 6, *size, requires_grad=True), torch.randn(samples, 16, *size)
    return method, fs, compare(method, fs, ft, torch.zeros(samples, 12, 20).long())


def test_diffkd_teaches_the_student_by_distillation_alone() -> None:
    _, fs, terms = diffkd_terms()
    taught = {
        name: torch.autograd.grad(term, fs, retain_graph=True, allow_unused=True)[0]
        for name, term in terms.items()
    }
    assert taught["diffkd"].abs().sum() > 0
    for name in ("diffkd_diffusion", "diffkd_autoencoder"):
        assert taught[name] is None or not taught[name].any()


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("diffkd", {"align", "denoiser", "adapter", "proj", "proj_norm"}),
        ("diffkd_diffusion", {"denoiser"}),
        ("diffkd_autoencoder", {"encoder", "encoder_norm", "decoder"}),
    ],
)
def test_each_diffkd_term_trains_its_parts(term: str, parts: set[str]) -> None:
    method, _, terms = diffkd_terms()
    terms[term].backward()
    diffusion = method.diffusions[0]
    for name, part in diffusion.named_children():
        moved = [p.grad is not None and bool(p.grad.any()) for p in part.parameters()]
        assert any(moved) == (name in parts), name
        if name in parts:
            assert all(moved), name


@pytest.mark.parametrize("size", [(3, 5), (1, 1)])
def test_diffkd_trains_with_a_single_sample(size: tuple[int, int]) -> None:
    _, fs, terms = diffkd_terms(samples=1, size=size)
    sum(terms.values()).backward()
    assert all(term.isfinite() for term in terms.values())
    assert fs.grad.isfinite().all()


def test_diffusion_schedule_is_the_product_of_1_minus_beta() -> None:
    alpha, products = 1.0, []
    for t in range(1000):
        alpha *= 1 - (1e-4 + t * (0.02 - 1e-4) / 999)
        products.append(alpha)
    torch.testing.assert_close(schedule(), torch.tensor([*products, 1.0]), rtol=1e-4, atol=0)


def test_ddim_with_the_true_noise_walks_to_the_clean_map() -> None:
    clean, noise, alphas = draw(1, 2, 3, 4), draw(1, 2, 3, 4), schedule().double()
    x = alphas[400].sqrt() * clean + (1 - alphas[400]).sqrt() * noise
    for now, then in ((400, 300), (300, 200), (200, 100), (100, 0)):
        x = ddim_step(x, noise, alphas[now], alphas[then])
        expected = alphas[then].sqrt() * clean + (1 - alphas[then]).sqrt() * noise
        torch.testing.assert_close(x, expected)
    torch.testing.assert_close(ddim_step(x, noise, alphas[0], alphas[-1]), clean)


# Constants.

OFFICIAL: list[tuple[str, str, dict[str, object]]] = [
    ("kd", "mdistiller-cifar", {"weight": 0.9, "hard_weight": 0.1, "temperature": 4.0}),
    ("kd", "mdistiller-imagenet", {"weight": 0.5, "hard_weight": 0.5, "temperature": 1.0}),
    ("kd", "cirkd", {"weight": 1.0, "hard_weight": 1.0, "temperature": 1.0}),
    ("cwkd", "official", {"weight": 3.0, "temperature": 4.0}),
    ("dkd", "official-cifar", {"alpha": 1, "beta": 8, "temperature": 4, "warmup_epochs": 20}),
    ("dkd", "official-imagenet", {"alpha": 1, "beta": 0.5, "temperature": 1, "warmup_epochs": 1}),
    ("dkd", "official-detection", {"alpha": 1, "beta": 0.25, "temperature": 1, "weight": 1}),
    ("dist", "official", {"weight": 1, "inter_weight": 1, "intra_weight": 1, "temperature": 1}),
    ("dist", "official-imagenet", {"weight": 2, "temperature": 1}),
    ("wsld", "official-imagenet", {"weight": 2.5, "temperature": 2}),
    ("wsld", "official-cifar", {"weight": 2.25, "temperature": 4}),
    ("at", "official", {"weight": 1000, "p": 2, "size_free": False}),
    ("at", "cirkd", {"weight": 10000, "p": 2, "size_free": False}),
    ("fitnet", "repdistiller", {"weight": 100, "hint_epochs": 0}),
    ("fitnet", "cirkd", {"weight": 10, "hint_epochs": 0}),
    ("ft", "official", {"weight": 500, "size_free": False, "passes": 6, "lr": 0.1}),
    ("nst", "official", {"weight": 50}),
    ("rkd", "official", {"weight": 1, "distance_weight": 1, "angle_weight": 2}),
    ("rkd", "mdistiller", {"weight": 1, "distance_weight": 25, "angle_weight": 50}),
    ("sp", "repdistiller", {"weight": 3000}),
    ("vid", "repdistiller", {"weight": 1}),
    ("maskd", "official", {"weight": 1, "lr": 0.1}),
    ("diffkd", "official", {"weight": 1}),
    ("pad", "torchdistill", {"weight": 1, "warmup_epochs": 10}),
    *(
        (
            "afdcd",
            f"official-{data}",
            {
                "fd_weight": fd,
                "contrast_weight": contrast,
                "kd_weight": kd,
                "temperature": 0.07,
                "groups": [16],
                "patch": 4,
                "pool": pool,
                "mask_ratio": 0.75,
                "size_free": False,
            },
        )
        for data, fd, contrast, kd, pool in (
            ("cityscapes", 2e-6, 5e-3, 1.0, 4),
            ("camvid", 8e-6, 1e-2, 1.0, 1),
            ("voc", 1e-6, 5e-3, 1.0, 4),
            ("ade", 1e-6, 4e-2, 0.5, 4),
            ("coco-stuff", 5e-6, 5e-3, 0.5, 4),
        )
    ),
]


def official(name: str, preset: str) -> Method:
    pairs = [pair(6, 64)] if name in FEATURE_METHODS else []
    return build_method(name, pairs, K, preset=preset)


@pytest.mark.parametrize(("name", "preset", "constants"), OFFICIAL)
def test_presets_carry_the_published_constants(
    name: str, preset: str, constants: dict[str, object]
) -> None:
    method = official(name, preset)
    assert {key: getattr(method, key) for key in constants} == constants


def test_the_table_of_constants_leaves_no_preset_out() -> None:
    ours = {(name, p) for name, e in entries("methods").items() for p in e.load().presets}
    papers = {("dwld", "paper"), ("arfd", "paper"), ("lix", "paper")}
    assert ours - papers == {(name, preset) for name, preset, _ in OFFICIAL}


def test_presets_build_parts_of_the_published_size() -> None:
    assert official("maskd", "official").tokens.weight.shape == (8, K)
    assert official("diffkd", "official").diffusions[0].encoder.out_channels == 1024
    assert official("ft", "official").translators[0][4].out_channels == 32
    variances = F.softplus(official("vid", "repdistiller").heads[0].log_scale) + 1e-5
    torch.testing.assert_close(variances, torch.full((64,), 5.0))
