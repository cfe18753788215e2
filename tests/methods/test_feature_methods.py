"""The feature methods as classes: sizes, channels, epochs, what they learn."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lix.methods import (
    build_method,
    pad_loss,
)
from tests.methods.feature_maps import FEATURE_METHODS, K, compare, draw, pair


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
    """The factor is h·w, or √(M·h·w), where h·w counts labelled positions: 5 and 10 of 15."""
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
