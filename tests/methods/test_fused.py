"""The fused twins of the losses against their definitions: value, gradients, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lix import methods
from lix.methods.parts import fused, sliced
from lix.methods.parts.sliced import pixel_mean

K, T = 4, 3.0
Loss = Callable[..., Tensor]
"""A loss of zs, zt, beta and target."""


def loss_of(module: Any, name: str) -> Loss:
    """The definition (of `lix.methods`) or the twin (of `fused`), of zs, zt, beta and target."""
    if name in ("kd", "cwkd"):
        function = getattr(module, f"{name}_loss")
        return lambda s, t, _, y: function(s, t, temperature=T, valid=y != 255)
    if name == "wsld":
        return lambda s, t, _, y: module.wsld_loss(s, t, y, temperature=T)
    if name == "dkd":
        return lambda s, t, _, y: module.dkd_loss(s, t, y, alpha=0.7, beta=2.5, temperature=T)
    direction = "reverse" if name == "dwld reverse" else "forward"
    options = {"alpha": 0.7, "direction": direction, "form": "kl" if "kl" in name else "eq9"}
    return lambda s, t, b, y: module.dwld_loss(s, t, y, 2.5 if "fixed" in name else b, **options)


LOSSES = ("kd", "cwkd", "wsld", "dkd", "dwld", "dwld reverse", "dwld kl", "dwld fixed")
LEARNS_BETA = ("dwld", "dwld reverse", "dwld kl")
LAYOUTS: dict[str, Callable[[], Tensor]] = {
    "maps": lambda: draw(3, K, 3, 5),
    "rows": lambda: draw(11, K),
    "channels last": lambda: draw(3, 3, 5, K).permute(0, 3, 1, 2),
    "strided": lambda: draw(3, 2 * K, 6, 5)[:, ::2, ::2],
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
@pytest.mark.parametrize("cut", [1, 7, 33, 2**16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_the_twin_has_the_value_and_gradients_of_the_definition(
    name: str, layout: str, cut: int, ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slices of a pixel, some, two samples or all, and with NaN where pixels are ignored."""
    monkeypatch.setitem(sliced.SLICE, "cpu", cut * K)
    zs, zt, beta = (LAYOUTS[layout]() for _ in range(3))
    beta.abs_()
    target = labels(zs, ignored=ignored)
    for z in (zs, zt, beta):
        z.movedim(1, -1)[target == 255] = float("nan")
    learners = [zs.requires_grad_(), beta.requires_grad_()]
    values = [loss_of(module, name)(zs, zt, beta, target) for module in (methods, fused)]
    torch.testing.assert_close(*values, rtol=1e-10, atol=1e-14)
    expected, actual = (torch.autograd.grad(v, learners, allow_unused=True) for v in values)
    assert (actual[1] is not None) == (name in LEARNS_BETA)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cut", [1, 2**16])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_mean_power_is_its_definition(p: int, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sliced.SLICE, "cpu", 15 * cut)
    f = draw(2, 4, 3, 5).requires_grad_()
    weight = draw(2, 3, 5)
    values = fused.mean_power(f, p), f.pow(p).mean(dim=1)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad((v * weight).sum(), f)[0] for v in values))


def test_centred_gram_is_its_definition() -> None:
    x = draw(2, 4, 15).requires_grad_()
    weight = draw(2, 4, 4)
    centred = x - x.mean(dim=1, keepdim=True)
    values = fused.centred_gram(x), centred @ centred.mT
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad((v * weight).sum(), x)[0] for v in values))


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "wsld"])
def test_gradcheck(name: str) -> None:
    """Finite differences; not of WSLD, whose weight is a constant only to the gradient."""
    loss = loss_of(fused, name)
    zs, zt, beta = (draw(2, K, 2, 2) for _ in range(3))
    target = labels(zs)
    target[0, 0, 1] = 255
    learners = (zs.requires_grad_(), beta.abs().requires_grad_())
    assert torch.autograd.gradcheck(lambda s, b: loss(s, zt, b, target), learners)


@pytest.mark.parametrize("name", LOSSES)
def test_a_second_derivative_is_refused(name: str) -> None:
    """A gradient penalty must not be dropped in silence; the definitions have one."""
    zs, zt, beta = draw(2, K, 3, 5).requires_grad_(), draw(2, K, 3, 5), draw(2, K, 3, 5)
    target = labels(zs)
    scale = torch.ones((), requires_grad=True)
    value = scale * loss_of(fused, name)(zs, zt, beta, target)
    with pytest.raises(RuntimeError, match="once"):  # noqa: PT012 - either call may refuse
        (gradient,) = torch.autograd.grad(value, zs, create_graph=True)
        (gradient.square().sum() + value).backward()
    defined = loss_of(methods, name)(zs, zt, beta, target)
    (gradient,) = torch.autograd.grad(defined, zs, create_graph=True)
    gradient.square().sum().backward()
    assert zs.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_backward_of_a_scaled_loss_twice_adds_up(name: str) -> None:
    zs, zt, beta = draw(2, K, 3, 5).requires_grad_(), draw(2, K, 3, 5), draw(2, K, 3, 5)
    target = labels(zs)
    (once,) = torch.autograd.grad(loss_of(methods, name)(zs, zt, beta, target), zs)
    value = -3 * loss_of(fused, name)(zs, zt, beta, target)
    value.backward(retain_graph=True)
    value.backward()
    torch.testing.assert_close(zs.grad, -6 * once)


@pytest.mark.parametrize("module", [methods, fused])
@pytest.mark.parametrize("name", LOSSES)
def test_no_input_changes(name: str, module: Any) -> None:
    zs, zt, beta = (draw(2, K, 3, 5) for _ in range(3))
    inputs = [zs.requires_grad_(), zt, beta.requires_grad_(), labels(zs, ignored=True)]
    before = [t.clone() for t in inputs]
    loss_of(module, name)(*inputs).backward()
    for now, then in zip(inputs, before, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_but_the_gradients_is_stored(name: str) -> None:
    zs, zt, beta = (draw(3, K, 3, 5).requires_grad_() for _ in range(3))
    stored: list[int] = []

    def pack(kept: Tensor) -> Tensor:
        stored.append(kept.numel())
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        loss_of(fused, name)(zs, zt.detach(), beta, labels(zs, ignored=True))
    assert sum(stored) == zs.numel() * (2 if name in LEARNS_BETA else 1)


@pytest.mark.parametrize("name", [*LOSSES, "dist"])
def test_the_definitions_take_the_teacher_as_a_constant(name: str) -> None:
    zs, zt, beta = (draw(3, K, 3, 5).requires_grad_() for _ in range(3))
    if name == "dist":
        methods.dist_loss(zs, zt).backward()
    else:
        loss_of(methods, name)(zs, zt, beta, labels(zs)).backward()
    assert zt.grad is None
    assert zs.grad.abs().sum() > 0


def test_pixel_mean_hands_a_rule_scratch_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most SLICE numbers of a sample, every pixel once, copies that may be overwritten."""
    monkeypatch.setitem(sliced.SLICE, "cpu", 9)
    z, weight = draw(2, 2, 3, 3).requires_grad_(), torch.arange(18).view(2, 3, 3)
    pieces: list[Tensor] = []

    def rule(piece: Tensor, number: Tensor) -> tuple[Tensor, list[Tensor]]:
        assert piece.shape[0] == 2
        assert piece.numel() <= 9
        pieces.append(number.clone())
        loss, gradient = number * piece.square().sum(dim=0), 2 * number * piece
        piece.zero_()
        number.zero_()
        return loss, [gradient]

    expected = sum(
        int(weight[b, i, j]) * z[b, c, i, j].item() ** 2
        for b, c, i, j in torch.cartesian_prod(*map(torch.arange, z.shape)).tolist()
    )
    mean = pixel_mean(rule, None, z, weight)
    mean.backward()
    assert mean.item() == pytest.approx(expected / 18, rel=1e-12)
    assert torch.cat(pieces).tolist() == list(range(18))
    assert weight.flatten().tolist() == list(range(18))
    torch.testing.assert_close(z.grad, 2 * weight.unsqueeze(1) * z.detach() / 18)
