"""The losses return, to 1e-9, what the reference implementations returned."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lix.methods import cka, confidence, dkd_loss, dwld_loss, kd_loss, omega, recalibrate
from tests.methods.parity import fixture


def check(numbers: dict[str, Tensor], case: str, loss: Tensor, student: Tensor) -> None:
    (gradient,) = torch.autograd.grad(loss, student)
    exact = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(loss.detach(), numbers[f"{case}/loss"], **exact)
    torch.testing.assert_close(gradient, numbers[f"{case}/grad_student"], **exact)


def test_kd() -> None:
    n = fixture("kd")
    zs = n["in/student"].requires_grad_()
    check(n, "mdistiller_pixels_T4", kd_loss(zs, n["in/teacher"], temperature=4.0), zs)


def test_dkd() -> None:
    n = fixture("dkd")
    zs = n["in/student"].requires_grad_()
    loss = dkd_loss(zs, n["in/teacher"], n["in/target"], alpha=1, beta=8, temperature=4)
    check(n, "mdistiller_a1_b8_T4", loss, zs)


def test_dwld_eq9() -> None:
    n = fixture("lix_reference")
    zs = n["in/student"].requires_grad_()
    loss = dwld_loss(zs, n["in/teacher"], n["in/target"], n["in/beta"])
    check(n, "eq9_T_S_beta_pixelmean", loss, zs)


def test_confidence_eq6_and_omega_eq8() -> None:
    n = fixture("lix_reference")
    zs = n["in/student"]
    torch.testing.assert_close(confidence(zs).flatten(), n["eq6_entropy"])
    rows = omega(zs).permute(0, 2, 3, 1).reshape(-1, zs.shape[1] + 1)
    torch.testing.assert_close(rows, n["eq8_omega"])


def test_cka_of_recalibrated_maps_eq13_to_17() -> None:
    n = fixture("lix_reference")
    fs = n["in_feat/student_aligned"].requires_grad_()
    ft = n["in_feat/teacher_aligned"]
    similarity = cka(recalibrate(fs).flatten(2), recalibrate(ft).flatten(2))
    check(n, "eq17_eq13_hsic_standard", (1 - similarity).mean(), fs)


@pytest.mark.parametrize("loss", [kd_loss, dkd_loss])
def test_dkd_and_kd_take_flat_logits(loss) -> None:
    n = fixture("dkd")
    zs, zt, y = n["in/student"], n["in/teacher"], n["in/target"]
    labels = [] if loss is kd_loss else [y]
    maps = loss(zs, zt, *labels)
    flat = [z.permute(0, 2, 3, 1).flatten(0, 2) for z in (zs, zt)]
    rows = loss(*flat, *[label.flatten() for label in labels])
    torch.testing.assert_close(maps, rows)
