"""Masks of pixels and positions, and means and norms that respect them."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import nn

from lix.methods.parts.masks import (
    MaskedBatchNorm2d,
    downsample_mask,
    l2_normalize,
    masked_avg_pool,
    masked_mean,
)
from tests.methods.feature_maps import draw, random_mask


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [(3, 5), (4, 4), (5, 7), (12, 20), (24, 25)])
def test_a_position_counts_if_it_covers_a_labelled_pixel(
    size: tuple[int, int], turned: bool
) -> None:
    """A target that is not contiguous is read right."""
    target = torch.where(torch.rand(2, *((20, 12) if turned else (12, 20))) < 0.1, 1, 255)
    target = target.mT if turned else target
    actual = downsample_mask(target != 255, size)
    for b, i, j in product(range(2), range(size[0]), range(size[1])):
        (top, bottom), (left, right) = (
            (math.floor(k * whole / parts), math.ceil((k + 1) * whole / parts))
            for k, whole, parts in ((i, 12, size[0]), (j, 20, size[1]))
        )
        is_valid = any(
            target[b, y, x] != 255 for y, x in product(range(top, bottom), range(left, right))
        )
        assert actual[b, i, j] == is_valid


def test_l2_normalize_of_zero_is_zero_without_gradient() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    torch.testing.assert_close(l2_normalize(x), torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    l2_normalize(x)[:, 0].sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[0.0, 0.0], [0.128, -0.096]]))


def test_masked_avg_pool_means_over_valid_positions() -> None:
    f, mask = draw(2, 3, 2, 4), random_mask(2, 2, 4)
    expected = torch.stack([f[b][:, mask[b]].mean(dim=1) for b in range(2)])
    f.movedim(1, -1)[~mask] = float("nan")
    torch.testing.assert_close(masked_avg_pool(f, mask), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("explicit", [True, False])
def test_masked_batch_norm_of_all_positions_is_batch_norm(training: bool, explicit: bool) -> None:
    ours, theirs = (
        norm.double().train(training) for norm in (MaskedBatchNorm2d(3), nn.BatchNorm2d(3))
    )
    with torch.no_grad():
        for state in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            if state[0].ndim:
                state[0].copy_(state[1].copy_(torch.rand(3) + 0.5))
    f = draw(2, 3, 4, 5).requires_grad_()
    mask = torch.ones(2, 4, 5, dtype=torch.bool) if explicit else None
    outputs = ours(f, mask), theirs(f)
    torch.testing.assert_close(*outputs)
    weight = draw(2, 3, 4, 5)
    torch.testing.assert_close(*(torch.autograd.grad((o * weight).sum(), f)[0] for o in outputs))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("training", [True, False])
def test_masked_batch_norm_counts_only_valid_positions(training: bool) -> None:
    mask = random_mask(2, 4, 5)
    f = 3 + 2 * draw(2, 3, 4, 5)
    rows = nn.BatchNorm1d(3).double().train(training)
    expected = rows(f.movedim(1, -1)[mask])
    f.movedim(1, -1)[~mask] = float("nan")
    norm = MaskedBatchNorm2d(3).double().train(training)
    normed = norm(f.requires_grad_(), mask)
    torch.testing.assert_close(normed.movedim(1, -1)[mask], expected)
    assert not normed.movedim(1, -1)[~mask].any()
    torch.testing.assert_close(norm.state_dict(), rows.state_dict())
    (normed * draw(2, 3, 4, 5)).sum().backward()
    assert f.grad.isfinite().all()
    assert not f.grad.movedim(1, -1)[~mask].any()


@pytest.mark.parametrize("count", [0, 1])
def test_masked_batch_norm_trains_with_a_single_position_or_none(count: int) -> None:
    norm, mask = MaskedBatchNorm2d(3), torch.zeros(2, 4, 5, dtype=torch.bool)
    mask[1, 2, 3] = bool(count)
    nn.init.constant_(norm.bias, 0.5)
    f = torch.randn(2, 3, 4, 5, requires_grad=True)
    normed = norm(f, mask)
    normed.sum().backward()
    torch.testing.assert_close(normed[1, :, 2, 3], (f[1, :, 2, 3] + 0.5) * count)
    assert f.grad.sum().item() == 3 * count
    assert norm.bias.grad.tolist() == [float(count)] * 3
    assert norm(torch.randn(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def test_masked_batch_norm_of_a_single_position_uses_running_statistics_in_evaluation() -> None:
    norm, batch_norm = MaskedBatchNorm2d(3).eval(), nn.BatchNorm2d(3).eval()
    for module in (norm, batch_norm):
        module.running_mean.fill_(2.0)
        module.running_var.fill_(9.0)
    f, mask = torch.randn(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool)
    mask[0, 1, 0] = True
    torch.testing.assert_close(norm(f, mask)[..., 1, 0], batch_norm(f)[..., 1, 0])
    torch.testing.assert_close(norm(f[..., :1, :1]), batch_norm(f[..., :1, :1]))


def test_masked_mean_is_the_mean_of_what_is_selected() -> None:
    values, valid = draw(3, 4).requires_grad_(), torch.rand(3, 4) > 0.5
    torch.testing.assert_close(masked_mean(values, valid), values[valid].mean())
    torch.testing.assert_close(masked_mean(values, None), values.mean())
    nothing = masked_mean(values, torch.zeros(3, 4, dtype=torch.bool))
    nothing.backward()
    assert nothing.item() == 0
    assert not values.grad.any()
