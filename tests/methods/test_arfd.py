"""Eq. 12-17 against slow loops, their misprint, and what ARFD's options do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lix.methods import ARFD, FeaturePair, cka, hsic, position_cka, recalibrate
from lix.methods.arfd import CONSISTENCIES, KERNELS
from lix.methods.parts.masks import match_size
from lix.networks import FeatureSpec, SegOutput


def loop_hsic(k: Tensor, l: Tensor) -> float:  # noqa: E741
    """tr(K H L H) / (C - 1)² by its definition."""
    c = len(k)
    h = torch.eye(c, dtype=k.dtype) - torch.ones(c, c, dtype=k.dtype) / c
    return torch.trace(k @ h @ l @ h).item() / (c - 1) ** 2


def gram(c: int, n: int) -> Tensor:
    f = torch.randn(c, n, dtype=torch.float64)
    return f @ f.T


def test_hsic_equals_its_definition_and_eq15_with_2_over_c() -> None:
    k, l = gram(6, 20), gram(6, 20)  # noqa: E741
    value = hsic(k[None], l[None]).item()
    c = 6
    eq15 = (c / (c - 1)) ** 2 * (
        torch.trace(l @ k) / c**2
        + l.sum() * k.sum() / c**4
        - 2 / c**3 * (torch.ones(c, dtype=k.dtype) @ l @ k).sum()
    )
    assert value == pytest.approx(loop_hsic(k, l), rel=1e-9)
    assert value == pytest.approx(eq15.item(), rel=1e-9)


def test_eq15_as_printed_does_not_centre() -> None:
    """With 2/C² in place of 2/C, CKA of random features is nearly 1."""

    def printed(k: Tensor, l: Tensor) -> Tensor:  # noqa: E741
        c = len(k)
        ones = torch.ones(c, dtype=k.dtype)
        cross = (ones @ l @ k @ ones) * 2 / c**2
        return torch.trace(l @ k) + l.sum() * k.sum() / c**2 - cross

    torch.manual_seed(0)
    x, y = (torch.rand(64, 100, dtype=torch.float64) for _ in range(2))
    k, l = x @ x.T, y @ y.T  # noqa: E741
    as_printed = printed(k, l) / (printed(k, k) * printed(l, l)).sqrt()
    assert as_printed > 0.99
    assert cka(x[None], y[None]).item() < 0.8


def test_cka_equals_eq16() -> None:
    x, y = torch.randn(2, 5, 30, dtype=torch.float64), torch.randn(2, 5, 30, dtype=torch.float64)
    k, l = x @ x.mT, y @ y.mT  # noqa: E741
    torch.testing.assert_close(cka(x, y), hsic(k, l) / (hsic(k, k) * hsic(l, l)).sqrt())


@pytest.mark.parametrize("similarity", [cka, position_cka])
def test_cka_properties(similarity) -> None:
    x, y = torch.randn(3, 6, 50), torch.randn(3, 6, 50)
    torch.testing.assert_close(similarity(x, x), torch.ones(3))
    torch.testing.assert_close(similarity(x, y), similarity(y, x))
    torch.testing.assert_close(similarity(1e-4 * x, 1e4 * x), torch.ones(3))
    shuffled = y[:, :, torch.randperm(50)] if similarity is cka else y[:, torch.randperm(6)]
    torch.testing.assert_close(similarity(x, y), similarity(x, shuffled), rtol=1e-4, atol=1e-5)


def test_cka_of_constant_maps_is_zero_with_finite_gradient() -> None:
    x = torch.ones(1, 4, 9, requires_grad=True)
    value = cka(x, torch.randn(1, 4, 9)).sum()
    value.backward()
    assert value.item() == 0
    assert x.grad.isfinite().all()


def test_position_cka_compares_different_channel_counts() -> None:
    x = torch.randn(1, 4, 200)
    rotation, _ = torch.linalg.qr(torch.randn(7, 4))
    torch.testing.assert_close(position_cka(x, rotation @ x), torch.ones(1))


KERNEL_VALUES = {
    "eq13": lambda d, s: math.exp(-d * d / s),
    "laplace": lambda d, s: math.exp(-abs(d) / s),
    "gaussian": lambda d, s: math.exp(-d * d / (2 * s * s)),
    "linear": lambda d, s: d / s,
}


@pytest.mark.parametrize("kernel", KERNEL_VALUES)
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_recalibration_equals_loops(kernel: str, sigma: float) -> None:
    f = torch.randn(2, 3, 4, dtype=torch.float64)
    out = recalibrate(f, kernel=kernel, sigma=sigma)
    for b in range(2):
        mean = sum(f[b].flatten().tolist()) / 12
        for value, original in zip(out[b].flatten(), f[b].flatten(), strict=True):
            expected = KERNEL_VALUES[kernel](original.item() - mean, sigma)
            assert value.item() == pytest.approx(expected, rel=1e-12)


def test_kernel_none_returns_the_features() -> None:
    f = torch.randn(1, 2, 3)
    assert recalibrate(f, kernel="none") is f


def test_mean_counts_valid_cells_alone() -> None:
    f = torch.tensor([[[1.0, 3.0, 100.0]]])
    valid = torch.tensor([[True, True, False]])
    out = recalibrate(f, kernel="linear", valid=valid)
    torch.testing.assert_close(out[..., :2], torch.tensor([[[-1.0, 1.0]]]))


PAIR = FeaturePair(FeatureSpec(4, 4), FeatureSpec(6, 2))


def outputs() -> tuple[SegOutput, SegOutput, Tensor]:
    logits = torch.zeros(2, 3, 16, 24)
    student = SegOutput(logits, {"m": torch.randn(2, 4, 4, 6, requires_grad=True)})
    teacher = SegOutput(logits, {"m": torch.randn(2, 6, 8, 12)})
    return student, teacher, torch.randint(0, 3, (2, 16, 24))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("consistency", CONSISTENCIES)
@pytest.mark.parametrize("side", ["trained", "frozen", "identity"])
def test_every_option_teaches_the_student(kernel: str, consistency: str, side: str) -> None:
    student, teacher, target = outputs()
    method = ARFD([PAIR], kernel=kernel, consistency=consistency, teacher_side=side)
    method(student, teacher, target)["arfd"].backward()
    assert student.features["m"].grad.abs().sum() > 0
    teacher_side = list(method.teacher_side.parameters())
    assert len(teacher_side) == (0 if side == "identity" else 3)
    assert all((p.grad is not None) is (side == "trained") for p in teacher_side)


@pytest.mark.parametrize("consistency", CONSISTENCIES)
def test_equal_maps_are_consistent(consistency: str) -> None:
    f = torch.randn(3, 4, 20)
    torch.testing.assert_close(
        CONSISTENCIES[consistency](f, f, None), torch.zeros(3), atol=1e-6, rtol=0
    )


def test_position_cka_counts_only_valid_positions() -> None:
    x, y, valid = torch.rand(2, 4, 20), torch.rand(2, 6, 20), torch.rand(2, 20) > 0.4
    expected = [
        position_cka(a[None, :, v], b[None, :, v]) for a, b, v in zip(x, y, valid, strict=True)
    ]
    torch.testing.assert_close(position_cka(x, y, valid), torch.cat(expected))


def test_the_students_maps_are_compared_as_they_are() -> None:
    student, teacher, target = outputs()
    method = ARFD([PAIR], kernel="none", consistency="position_cka", student_side="identity")
    assert list(method.parameters()) == []
    term = method(student, teacher, target)["arfd"]
    fs, ft = match_size(student.features["m"], teacher.features["m"])
    similar = position_cka(fs.flatten(2), ft.flatten(2))
    torch.testing.assert_close(term, method.weight * (1 - similar).mean())
    assert set(method.monitors) == {"cka_raw_m"}
    with pytest.raises(ValueError, match="4 and 6 channels as they are"):
        ARFD([PAIR], student_side="identity")


def test_monitors_watch_recalibrated_and_raw_features_by_map() -> None:
    student, teacher, target = outputs()
    method = ARFD([PAIR])
    method(student, teacher, target)
    assert set(method.monitors) == {"cka_m", "cka_raw_m"}
    assert all(0 <= v <= 1 for v in method.monitors.values())


def test_collapse_is_diagnosed_by_map() -> None:
    method = ARFD([PAIR])
    (sentence,) = method.diagnose({"cka_m": 0.997, "cka_raw_m": 0.4}).values()
    assert "collapsed on m" in sentence
    assert method.diagnose({"cka_m": 0.8, "cka_raw_m": 0.4}) == {}
    assert method.diagnose({"cka_m": 0.99, "cka_raw_m": 0.98}) == {}


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": "cubic"},
        {"consistency": "dot"},
        {"teacher_side": "x"},
        {"student_side": "x"},
        {"sigma": 0.0},
    ],
)
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ARFD([PAIR], **options)


def test_cka_needs_as_many_channels() -> None:
    with pytest.raises(ValueError, match="as many channels"):
        cka(torch.zeros(1, 3, 5), torch.zeros(1, 4, 5))
