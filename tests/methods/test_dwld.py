"""Eq. 6-11 against slow loops, and what the weight controller does."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lix.methods import (
    DWLD,
    WeightController,
    decouple,
    dkd_loss,
    dwld_loss,
    kd_loss,
    rarity,
)
from lix.networks import SegOutput


def loop_eq9(zs: Tensor, zt: Tensor, target: Tensor, beta: Tensor, alpha: float) -> float:
    """Eq. 9 with KL(T ‖ S), pixel by pixel and class by class."""
    pixels = []
    for b, h, w in torch.cartesian_prod(*map(torch.arange, target.shape)).tolist():
        k = int(target[b, h, w])
        if k == 255:
            continue
        ps, pt = (z[b, :, h, w].softmax(0).tolist() for z in (zs, zt))
        bs, bt = (ps[k], 1 - ps[k]), (pt[k], 1 - pt[k])
        loss = alpha * sum(t * math.log(t / s) for t, s in zip(bt, bs, strict=True))
        for i in range(len(ps)):
            if i != k:
                t, s = pt[i] / (1 - pt[k]), ps[i] / (1 - ps[k])
                loss += float(beta[b, i, h, w]) * t * math.log(t / s)
        pixels.append(loss)
    return sum(pixels) / len(pixels)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_dwld_equals_loops() -> None:
    zs, zt, beta = draw(2, 4, 3, 5), draw(2, 4, 3, 5), 1 + 9 * torch.rand(2, 4, 3, 5)
    target = torch.randint(0, 4, (2, 3, 5))
    target[0, 0] = 255
    expected = loop_eq9(zs, zt, target, beta, alpha=0.7)
    assert dwld_loss(zs, zt, target, beta, alpha=0.7).item() == pytest.approx(expected, rel=1e-6)


def loop_kl(zs, zt, target, beta, *, alpha: float) -> float:
    """Eq. 2 with the weight of every logit, pixel by pixel."""
    total, pixels = 0.0, 0
    for b, i, j in torch.cartesian_prod(*map(torch.arange, target.shape)).tolist():
        k = int(target[b, i, j])
        if k == 255:
            continue
        s, t = (z[b, :, i, j].softmax(0).tolist() for z in (zs, zt))
        weights = beta[b, :, i, j].tolist()
        tcld = t[k] * math.log(t[k] / s[k]) + (1 - t[k]) * math.log((1 - t[k]) / (1 - s[k]))
        total += alpha * weights[k] * tcld
        for c in set(range(len(s))) - {k}:
            sc, tc = s[c] / (1 - s[k]), t[c] / (1 - t[k])
            total += (1 - t[k]) * weights[c] * (tc * math.log(tc / sc) - tc + sc)
        pixels += 1
    return total / pixels


def test_weighted_kl_equals_loops_and_is_kl_where_all_weights_are_one() -> None:
    zs, zt, beta = draw(2, 4, 3, 5), draw(2, 4, 3, 5), 1 + 9 * torch.rand(2, 4, 3, 5)
    target = torch.randint(0, 4, (2, 3, 5))
    target[0, 0] = 255
    loss = dwld_loss(zs, zt, target, beta, alpha=0.7, form="kl").item()
    assert loss == pytest.approx(loop_kl(zs, zt, target, beta, alpha=0.7), rel=1e-6)
    plain = dwld_loss(zs, zt, target, 1.0, form="kl")
    torch.testing.assert_close(plain, kd_loss(zs, zt, valid=target != 255))
    with pytest.raises(ValueError, match="form must be 'eq9' or, forward, 'kl'"):
        dwld_loss(zs, zt, target, 1.0, form="kl", direction="reverse")


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_weighted_kl_is_never_negative_and_least_at_the_teacher(seed: int) -> None:
    torch.manual_seed(seed)
    zs, zt, beta = draw(1, 5, 2, 3), draw(1, 5, 2, 3), 10 * torch.rand(1, 5, 2, 3)
    target = torch.randint(0, 5, (1, 2, 3))
    assert dwld_loss(zs, zt, target, beta, form="kl").item() > 0
    same = zt.clone().requires_grad_()
    loss = dwld_loss(same, zt, target, beta, form="kl")
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert same.grad.abs().max() < 1e-9


def test_rare_classes_have_large_weights() -> None:
    zt = torch.full((1, 4, 100), -30.0)
    for label, pixels in enumerate((slice(0, 60), slice(60, 90), slice(90, 99), slice(99, 100))):
        zt[0, label, pixels] = 30.0
    valid = torch.ones(1, 100, dtype=torch.bool)
    assert rarity(zt, valid).flatten().tolist() == pytest.approx([1, 1, 100 / 36, 10], rel=1e-4)
    valid[0, 99] = False
    assert rarity(zt, valid).flatten()[2].item() == pytest.approx(99 / 36, rel=1e-4)
    target = (zt.argmax(dim=1) + 1) % 4
    method = DWLD((), 4, controller="rarity", form="kl", weight=1.0)
    out = method(SegOutput(torch.zeros(1, 4, 100), {}), SegOutput(zt, {}), target)
    assert out["dwld"].item() > 0
    assert method.diagnose({name: float(v) for name, v in method.monitors.items()}) == {}


@given(st.integers(0, 10_000), st.floats(0, 10))
@settings(max_examples=25, deadline=None)
def test_with_one_beta_dwld_is_dkd(seed: int, beta: float) -> None:
    torch.manual_seed(seed)
    zs, zt, target = draw(2, 5, 3, 4), draw(2, 5, 3, 4), torch.randint(0, 5, (2, 3, 4))
    torch.testing.assert_close(dwld_loss(zs, zt, target, beta), dkd_loss(zs, zt, target, beta=beta))


def test_eq2_kl_is_tcld_plus_weighted_ncld() -> None:
    zs, zt, target = draw(1, 4, 1, 1), draw(1, 4, 1, 1), torch.tensor([[[2]]])
    rest = 1 - zt.softmax(1)[0, 2, 0, 0].item()
    torch.testing.assert_close(dkd_loss(zs, zt, target, beta=rest), kd_loss(zs, zt))


def test_eq5_ncld_does_not_teach_the_target_logit() -> None:
    zs = draw(1, 4, 2, 2).requires_grad_()
    target = torch.randint(0, 4, (1, 2, 2))
    dkd_loss(zs, draw(1, 4, 2, 2), target, alpha=0).backward()
    at_target = zs.grad.gather(1, target.unsqueeze(1))
    torch.testing.assert_close(at_target, torch.zeros_like(at_target))
    assert zs.grad.abs().sum() > 0.01


def test_eq9_as_printed_drives_the_student_away() -> None:
    """Why the printed form, -KL(S ‖ T), is not offered: minimising it moves s away from t."""
    zt, target = draw(1, 4, 1, 1), torch.tensor([[[0]]])
    zs = (zt + 0.1 * draw(1, 4, 1, 1)).requires_grad_()
    for _ in range(200):
        printed = -dwld_loss(zs, zt, target, 1.0, direction="reverse")
        (gradient,) = torch.autograd.grad(printed, zs)
        zs = (zs - gradient).detach().requires_grad_()
    assert kd_loss(zs, zt).item() > 1.0


def test_logit_wise_beta_is_no_divergence() -> None:
    """With weights that differ between classes the loss can be negative (equations.md, 4)."""
    zt = torch.tensor([[0.0, 0.5, 0.3, 0.2]]).log().clamp(min=-20)
    zs = torch.tensor([[0.0, 0.122, 0.732, 0.146]]).log().clamp(min=-20)
    beta = torch.tensor([[1.0, 1.0, 10.0, 3.0]])
    assert dwld_loss(zs, zt, torch.tensor([0]), beta, alpha=0).item() == pytest.approx(
        -1.78, abs=0.01
    )


def test_two_classes_leave_only_the_target_part() -> None:
    zs, zt, target = draw(2, 2, 3, 3), draw(2, 2, 3, 3), torch.randint(0, 2, (2, 3, 3))
    assert dkd_loss(zs, zt, target, alpha=0, beta=5).item() == 0


@pytest.mark.parametrize("classes", [1])
def test_one_class_is_refused(classes: int) -> None:
    z = draw(1, classes, 2, 2)
    with pytest.raises(ValueError, match="at least two classes"):
        dkd_loss(z, z, torch.zeros(1, 2, 2, dtype=torch.long))


def test_label_out_of_range_is_named() -> None:
    z = draw(1, 3, 2, 2)
    with pytest.raises(ValueError, match=r"\[0, 3\).*got 7"):
        dkd_loss(z, z, torch.full((1, 2, 2), 7))


def test_decoupled_log_probabilities_are_exact_where_the_teacher_is_sure() -> None:
    split = decouple(torch.tensor([[200.0], [0.0], [0.0]]), torch.tensor([0]))
    torch.testing.assert_close(split.target_logit, torch.tensor([[200 - math.log(2)]]))


@pytest.mark.parametrize("inputs", ["p", "c", "concat"])
@pytest.mark.parametrize("layers", [1, 3, 5])
def test_controller_keeps_beta_in_range(inputs: str, layers: int) -> None:
    controller = WeightController(4, inputs=inputs, layers=layers, dropout=0.1)
    for shape in ((2, 4, 3, 5), (6, 4)):
        beta = controller(1000 * torch.randn(shape))
        assert beta.shape == shape
        assert 1 <= beta.min() <= beta.max() <= 10


def step(method: DWLD, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
    return method(SegOutput(zs, {}), SegOutput(zt, {}), target)["dwld"]


def case() -> tuple[Tensor, Tensor, Tensor]:
    zs, zt = torch.randn(2, 5, 6, 8, requires_grad=True), torch.randn(2, 5, 6, 8)
    return zs, zt, torch.randint(0, 5, (2, 6, 8))


def train(method: DWLD, steps: int = 150) -> DWLD:
    zs, zt, target = case()
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        step(method, zs.detach(), zt, target).backward()
        optimiser.step()
    return method


def test_joint_controller_lowers_the_loss_without_teaching() -> None:
    before, after = (train(DWLD((), 5, controller="joint"), n) for n in (1, 150))
    assert after.monitors["beta_mean"] < before.monitors["beta_mean"] - 1


def test_budget_controller_raises_the_loss_and_keeps_the_mean() -> None:
    torch.manual_seed(1)
    zs, zt, target = case()
    method = DWLD((), 5, controller="budget", budget=4.0)
    before = step(method, zs, zt, target).item()
    torch.manual_seed(1)
    optimiser = torch.optim.Adam(method.parameters(), lr=0.02)
    for _ in range(100):
        optimiser.zero_grad()
        step(method, zs.detach(), zt, target).backward()
        optimiser.step()
    assert step(method, zs, zt, target).item() > before
    assert method.monitors["beta_mean"].item() == pytest.approx(4.0, abs=1e-3)
    beta = method.controller.beta(zs, zt, target >= 0)
    assert 1 <= beta.min() <= beta.max() <= 10


def test_entropy_beta_follows_uncertainty() -> None:
    zs = torch.tensor([[50.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    beta = DWLD((), 3, controller="entropy").controller.beta(zs, zs, torch.tensor([True, True]))
    torch.testing.assert_close(beta, torch.tensor([[1.0] * 3, [10.0] * 3]))


def test_frozen_controller_has_nothing_to_train() -> None:
    method = DWLD((), 5, controller="frozen")
    assert not [p for p in method.parameters() if p.requires_grad]
    step(method, *case()).backward()


@pytest.mark.parametrize("detach", [True, False])
def test_detach_decides_whether_beta_teaches_the_student(detach: bool) -> None:
    zs, zt, target = case()
    torch.manual_seed(3)
    step(DWLD((), 5, weight=1.0, controller="frozen", detach=detach), zs, zt, target).backward()
    torch.manual_seed(3)
    method = DWLD((), 5, controller="frozen")
    beta = method.controller.beta(zs.detach(), zt, target >= 0).detach()
    (expected,) = torch.autograd.grad(dwld_loss(zs, zt, target, beta, form=method.form), zs)
    assert torch.allclose(zs.grad, expected, atol=1e-7) is detach


def watched(mean: float, std: float, saturation: float = 0.0) -> dict[str, float]:
    return {"beta_mean": mean, "beta_std": std, "beta_saturation": saturation}


def test_collapse_is_diagnosed() -> None:
    method = DWLD((), 5, controller="joint")
    assert "collapsed" in method.diagnose(watched(1.01, 0.02))["beta_collapsed"]
    assert method.diagnose(watched(4.0, 2.0)) == {}
    saturated = method.diagnose(watched(5.5, 4.4, saturation=0.95))
    assert "95 %" in saturated["beta_saturated"]


def test_saturation_counts_the_ends_of_the_range() -> None:
    method = DWLD((), 3, controller="entropy")
    sure = torch.tensor([[90.0, 0.0, 0.0]]).T.expand(3, 4).T[..., None]
    step(method, sure, sure, torch.zeros(4, 1, dtype=torch.long))
    assert method.monitors["beta_saturation"].item() == 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"controller": "magic"},
        {"controller": "entropy", "side": "both"},
        {"controller": "joint", "omega": "x"},
    ],
)
def test_wrong_options_list_the_choices(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must be|Choose from"):
        DWLD((), 5, **options)
