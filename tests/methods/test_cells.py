"""Cells of feature maps: which count, how they are averaged, normed and brought to unit length."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import nn

from lix.methods.parts.cells import CellNorm, pooled, unit, valid_cells
from tests.methods.feature_maps import draw, random_cells


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
