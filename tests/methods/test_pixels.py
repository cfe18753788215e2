"""Closed-form gradients of the losses per pixel against autograd of plain versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lix.methods import cwkd_loss, dist_loss, dkd_loss, dwld_loss, kd_loss, wsld_loss
from lix.methods.parts import pixels
from lix.methods.parts.pixels import masked_mean, pixel_mean

K, T = 4, 3.0
Loss = Callable[..., Tensor]
"""Of zs, zt, beta and target."""


def plain_kd(zs: Tensor, zt: Tensor, beta: Tensor, y: Tensor) -> Tensor:
    p, q = (zt / T).softmax(1), (zs / T).softmax(1)
    return T**2 * (p * (p / q).log()).sum(1).mean()


def plain_wsld(zs: Tensor, zt: Tensor, beta: Tensor, y: Tensor) -> Tensor:
    hard_s, hard_t = (F.cross_entropy(z, y, reduction="none") for z in (zs, zt))
    weight = (1 - (-hard_s / (hard_t + 1e-7)).exp()).detach()
    soft = -((zt / T).softmax(1) * (zs / T).softmax(1).log()).sum(1)
    return T**2 * (weight * soft).mean()


def parts(p: Tensor, q: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The target part of KL(p ‖ q), (N,), and the other classes' summands, (N, K)."""
    other = ~F.one_hot(y, K).bool()
    (pk, qk), rest = (v[~other] for v in (p, q)), [v * other for v in (p, q)]
    binary = pk * (pk / qk).log() + (1 - pk) * ((1 - pk) / (1 - qk)).log()
    p_rest, q_rest = (v / v.sum(1, keepdim=True) for v in rest)
    ratio = torch.where(other, p_rest, 1.0) / torch.where(other, q_rest, 1.0)
    return binary, p_rest * ratio.log()


def plain_dkd(zs: Tensor, zt: Tensor, beta: Tensor, y: Tensor) -> Tensor:
    target, others = parts((zt / T).softmax(1), (zs / T).softmax(1), y)
    return T**2 * (0.7 * target + 2.5 * others.sum(1)).mean()


def plain_forward(zs: Tensor, zt: Tensor, beta: Tensor, y: Tensor) -> Tensor:
    target, others = parts(zt.softmax(1), zs.softmax(1), y)
    return (0.7 * target + (beta * others).sum(1)).mean()


def plain_reverse(zs: Tensor, zt: Tensor, beta: Tensor, y: Tensor) -> Tensor:
    target, others = parts(zs.softmax(1), zt.softmax(1), y)
    return (0.7 * target + (beta * others).sum(1)).mean()


LOSSES: dict[str, tuple[Loss, Loss]] = {
    "kd": (lambda s, t, _, y: kd_loss(s, t, temperature=T, valid=y != 255), plain_kd),
    "wsld": (lambda s, t, _, y: wsld_loss(s, t, y, temperature=T), plain_wsld),
    "dkd": (lambda s, t, _, y: dkd_loss(s, t, y, alpha=0.7, beta=2.5, temperature=T), plain_dkd),
    "dwld": (lambda s, t, b, y: dwld_loss(s, t, y, b, alpha=0.7), plain_forward),
    "dwld reverse": (
        lambda s, t, b, y: dwld_loss(s, t, y, b, alpha=0.7, direction="reverse"),
        plain_reverse,
    ),
}
LAYOUTS: dict[str, Callable[[], Tensor]] = {
    "maps": lambda: draw(2, K, 3, 5),
    "rows": lambda: draw(11, K),
    "channels last": lambda: draw(2, 3, 5, K).permute(0, 3, 1, 2),
    "strided": lambda: draw(2, 2 * K, 6, 5)[:, ::2, ::2],
    "strided rows": lambda: draw(K, 22).T[::2],
}


def draw(*shape: int) -> Tensor:
    return 2 * torch.randn(*shape, dtype=torch.float64)


def labels(z: Tensor, *, ignored: bool = False) -> Tensor:
    target = torch.randint(0, K, (z.shape[0], *z.shape[2:]))
    if ignored:
        target[0] = 255
        target[-1].view(-1)[::3] = 255
    return target


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("cut", [1, 7, 2**16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradients_are_autograds(
    name: str, layout: str, cut: int, ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slices of one pixel, two or all, and with NaN wherever pixels are ignored."""
    monkeypatch.setitem(pixels.SLICE, "cpu", cut * K)
    loss, plain = LOSSES[name]
    zs, zt, beta = (LAYOUTS[layout]() for _ in range(3))
    beta.abs_()
    target = labels(zs, ignored=ignored)
    valid = target != 255
    for z in (zs, zt, beta):
        z.movedim(1, -1)[~valid] = float("nan")
    learners = [zs.requires_grad_(), beta.requires_grad_()]
    rows = (z.movedim(1, -1)[valid] for z in (zs, zt, beta))
    expected = plain(*rows, target[valid])
    actual = loss(zs, zt, beta, target)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=0)
    grads = [torch.autograd.grad(v, learners, allow_unused=True) for v in (actual, expected)]
    assert (grads[0][1] is not None) == name.startswith("dwld")
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cut", [1, 2, 2**16])
def test_cwkd_gradient_is_autograds(
    cut: int, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pixels.SLICE, "cpu", 15 * cut)
    zs, zt, valid = draw(2, K, 3, 5).requires_grad_(), draw(2, K, 3, 5), None
    kept = torch.ones(15, dtype=torch.bool)
    if masked:
        kept[::4] = False
        valid = kept.view(1, 3, 5).expand(2, 3, 5)
    p, q = ((z.flatten(2)[:, :, kept] / T).softmax(2) for z in (zt, zs))
    expected = T**2 * (p * (p / q).log()).sum(2).mean()
    actual = cwkd_loss(zs, zt, temperature=T, valid=valid)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=0)
    grads = [torch.autograd.grad(v, zs)[0] for v in (actual, expected)]
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "wsld"])
def test_gradcheck(name: str) -> None:
    """Finite differences; not of WSLD, whose weight is a constant to the gradient alone."""
    loss, _ = LOSSES[name]
    zs, zt, beta = (draw(2, K, 2, 2) for _ in range(3))
    target = labels(zs)
    target[0, 0, 1] = 255
    learners = (zs.requires_grad_(), beta.abs().requires_grad_())
    assert torch.autograd.gradcheck(lambda s, b: loss(s, zt, b, target), learners)


@pytest.mark.parametrize("name", LOSSES)
def test_a_second_derivative_is_refused(name: str) -> None:
    loss, _ = LOSSES[name]
    zs, zt, beta = draw(5, K).requires_grad_(), draw(5, K), draw(5, K)
    scale = torch.ones((), requires_grad=True)
    value = scale * loss(zs, zt, beta, labels(zs))
    with pytest.raises(RuntimeError, match="once"):  # noqa: PT012 - either call may refuse
        (gradient,) = torch.autograd.grad(value, zs, create_graph=True)
        gradient.sum().backward()


@pytest.mark.parametrize("function", [kd_loss, cwkd_loss])
def test_a_gradient_penalty_is_not_dropped_in_silence(function: Loss) -> None:
    zs, zt = draw(2, K, 3, 5).requires_grad_(), draw(2, K, 3, 5)
    loss = function(zs, zt)
    with pytest.raises(RuntimeError, match="once"):  # noqa: PT012 - either call may refuse
        (gradient,) = torch.autograd.grad(loss, zs, create_graph=True)
        (gradient.square().sum() + loss).backward()


@pytest.mark.parametrize("name", LOSSES)
def test_backward_of_a_scaled_loss_twice_adds_up(name: str) -> None:
    loss, plain = LOSSES[name]
    zs, zt, beta = draw(5, K).requires_grad_(), draw(5, K), draw(5, K)
    target = labels(zs)
    (once,) = torch.autograd.grad(plain(zs, zt, beta, target), zs)
    value = -3 * loss(zs, zt, beta, target)
    value.backward(retain_graph=True)
    value.backward()
    torch.testing.assert_close(zs.grad, -6 * once)


@pytest.mark.parametrize("name", LOSSES)
def test_teacher_gets_no_gradient_and_no_input_changes(name: str) -> None:
    loss, _ = LOSSES[name]
    inputs = [draw(2, K, 3, 5).requires_grad_() for _ in range(3)]
    target = labels(inputs[0], ignored=True)
    before = [t.clone() for t in (*inputs, target)]
    loss(*inputs, target).backward()
    assert inputs[1].grad is None
    for now, then in zip((*inputs, target), before, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_but_the_gradients_is_stored(name: str) -> None:
    loss, _ = LOSSES[name]
    zs, zt, beta = (draw(2, K, 3, 5).requires_grad_() for _ in range(3))
    stored: list[int] = []

    def pack(kept: Tensor) -> Tensor:
        stored.append(kept.numel())
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        loss(zs, zt, beta, labels(zs, ignored=True))
    assert sum(stored) == zs.numel() * (2 if name.startswith("dwld") else 1)


@pytest.mark.parametrize("loss", [cwkd_loss, dist_loss])
def test_teacher_gets_no_gradient_from_the_other_losses(loss: Loss) -> None:
    zs, zt = draw(2, K, 3, 5).requires_grad_(), draw(2, K, 3, 5).requires_grad_()
    loss(zs, zt).backward()
    assert zt.grad is None
    assert zs.grad.abs().sum() > 0


def test_beta_alone_may_learn() -> None:
    zs, zt, beta = draw(3, K), draw(3, K), draw(3, K).requires_grad_()
    target = labels(zs)
    dwld_loss(zs, zt, target, beta).backward()
    _, others = parts(zt.softmax(1), zs.softmax(1), target)
    torch.testing.assert_close(beta.grad, others / 3)


def test_pixel_mean_hands_a_rule_scratch_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most SLICE numbers of a sample, every pixel once, copies that may be overwritten."""
    monkeypatch.setitem(pixels.SLICE, "cpu", 9)
    z, weight = draw(2, 2, 3, 3).requires_grad_(), torch.arange(18).view(2, 3, 3)
    seen: list[Tensor] = []

    def rule(piece: Tensor, number: Tensor) -> tuple[Tensor, list[Tensor]]:
        assert piece.shape[0] == 2
        assert piece.numel() <= 9
        seen.append(number.clone())
        loss, slope = number * piece.square().sum(dim=0), 2 * number * piece
        piece.zero_()
        number.zero_()
        return loss, [slope]

    expected = sum(
        int(weight[b, i, j]) * z[b, c, i, j].item() ** 2
        for b, c, i, j in torch.cartesian_prod(*map(torch.arange, z.shape)).tolist()
    )
    mean = pixel_mean(rule, None, z, weight)
    mean.backward()
    assert mean.item() == pytest.approx(expected / 18, rel=1e-12)
    assert torch.cat(seen).tolist() == list(range(18))
    assert weight.flatten().tolist() == list(range(18))
    torch.testing.assert_close(z.grad, 2 * weight.unsqueeze(1) * z.detach() / 18)


def test_masked_mean_is_the_mean_of_what_is_selected() -> None:
    values, valid = draw(3, 4).requires_grad_(), torch.rand(3, 4) > 0.5
    torch.testing.assert_close(masked_mean(values, valid), values[valid].mean())
    torch.testing.assert_close(masked_mean(values, None), values.mean())
    nothing = masked_mean(values, torch.zeros(3, 4, dtype=torch.bool))
    nothing.backward()
    assert nothing.item() == 0
    assert not values.grad.any()


WITH_LABELS = {
    "dkd": dkd_loss,
    "wsld": wsld_loss,
    "dwld": lambda s, t, y, **options: dwld_loss(s, t, y, 2.0, **options),
}


@pytest.mark.parametrize("label", [-1, K, 300])
@pytest.mark.parametrize("name", WITH_LABELS)
def test_label_out_of_range_is_named(name: str, label: int) -> None:
    z = draw(2, K, 3, 5)
    target = labels(z, ignored=True)
    target[1, 1, 1] = label
    with pytest.raises(ValueError, match=rf"\[0, {K}\).*255.*got {label}\."):
        WITH_LABELS[name](z, z, target)


@pytest.mark.parametrize("name", WITH_LABELS)
def test_another_ignore_index(name: str) -> None:
    zs, zt = draw(2, K, 3, 5), draw(2, K, 3, 5)
    target = labels(zs, ignored=True)
    expected = WITH_LABELS[name](zs, zt, target)
    other = target.where(target != 255, -1)
    torch.testing.assert_close(WITH_LABELS[name](zs, zt, other, ignore_index=-1), expected)
    with pytest.raises(ValueError, match=r"-1 \(ignored\), got 255"):
        WITH_LABELS[name](zs, zt, target, ignore_index=-1)


def mismatches() -> Iterator[object]:
    z, target, valid = torch.zeros(2, K, 3, 5), torch.zeros(2, 3, 5).long(), torch.ones(2, 3, 5) > 0
    unlike = [z[:, 1:], z[:, :, 1:], z[1:], z[:, :, 0], z[0, 0, 0]]
    for name, loss in (("kd", kd_loss), ("cwkd", cwkd_loss), ("dist", dist_loss)):
        for wrong in unlike:
            yield pytest.param(lambda f=loss, w=wrong: f(z, w), id=f"{name} {tuple(wrong.shape)}")
        for wrong in (valid[:, 1:], valid[0], valid.unsqueeze(1)):
            yield pytest.param(
                lambda f=loss, w=wrong: f(z, z, valid=w), id=f"{name} valid {tuple(wrong.shape)}"
            )
    for name, loss in WITH_LABELS.items():
        for wrong in unlike:
            yield pytest.param(
                lambda f=loss, w=wrong: f(z, w, target), id=f"{name} {tuple(wrong.shape)}"
            )
        for wrong in (target[:, 1:], target[0], target.unsqueeze(1), target.flatten()):
            yield pytest.param(
                lambda f=loss, w=wrong: f(z, z, w), id=f"{name} target {tuple(wrong.shape)}"
            )
    longer = torch.zeros(3, K, 3, 5)
    for wrong in (z[:, :, 0, 0], z[:, :, :1, :1], z[:1], z[:, 1:], z[:, :, 1:], longer, z[0, 0, 0]):
        yield pytest.param(
            lambda w=wrong: dwld_loss(z, z, target, w), id=f"dwld beta {tuple(wrong.shape)}"
        )


@pytest.mark.parametrize("call", list(mismatches()))
def test_wrong_shapes_are_one_sentence(call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match=r"must have .*shape.*, got [^.]*\.$") as caught:
        call()
    assert not re.search(r"\.\s|\n", str(caught.value))
