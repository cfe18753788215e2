"""Af-DCD: the contrast against loops, the masked restoration, the pooling."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from lix.methods import (
    FeatureMaps,
    build_method,
    kd_loss,
)
from lix.methods.afdcd import contrast_loss
from tests.methods.feature_maps import K, approx, compare, draw, pair, positions, random_mask


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


@pytest.mark.parametrize(
    ("shape", "groups", "patch"), [((2, 4, 3, 5), 2, 2), ((1, 6, 4, 4), 3, 4), ((2, 3, 2, 3), 3, 1)]
)
@pytest.mark.parametrize("masked", [False, True])
def test_contrast_equals_loops(
    shape: tuple[int, ...], groups: int, patch: int, masked: bool
) -> None:
    """Sizes need not be a multiple of the patch, and some positions do not count."""
    fs, ft = draw(*shape), draw(*shape)
    mask = torch.ones(shape[0], *shape[2:], dtype=torch.bool)
    if masked:
        mask = random_mask(*mask.shape)
    expected = loop_contrast(fs, ft, groups, patch, 0.5, mask)
    if masked:
        for f in (fs, ft):
            f.movedim(1, -1)[~mask] = float("nan")
    valid = mask if masked else None
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
    projected: list[Tensor] = []
    projector = method.restorers[0].projector
    projector.register_forward_pre_hook(lambda _, inputs: projected.append(inputs[0]))
    target = torch.zeros(2, 40, 50, dtype=torch.long)
    compare(method, torch.randn(2, 6, 40, 50), torch.randn(2, 8, 40, 50), target)
    masked = projected[0] == 0
    assert torch.equal(masked.any(dim=1), masked.all(dim=1))
    assert masked.all(dim=1).double().mean().item() == pytest.approx(ratio, abs=0.03)
    assert not torch.equal(masked[0], masked[1]) or not ratio


def test_afdcd_restoration_error_sums_or_averages() -> None:
    """The official sum over channels and positions per sample; by default their mean."""
    ft, restored, mask = draw(2, 8, 3, 5), draw(2, 8, 3, 5), random_mask(2, 3, 5)
    squares = (restored - ft).square().movedim(1, -1)[mask]
    maps = FeatureMaps(0, "f", draw(2, 6, 3, 5), ft, mask)
    method = build_method("afdcd", [pair(6, 8)], K, fd_weight=3.0)
    torch.testing.assert_close(method.weigh(maps, restored)["afdcd_fd"], 3 * squares.mean())
    method.size_free = False
    torch.testing.assert_close(method.weigh(maps, restored)["afdcd_fd"], 3 * squares.sum() / 2)


def test_afdcd_restoration_error_does_not_depend_on_the_resolution() -> None:
    small = draw(2, 8, 3, 5), draw(2, 8, 3, 5)
    large = [f.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) for f in small]
    method = build_method("afdcd", [pair(8, 8)], K)
    errors = [
        method.weigh(FeatureMaps(0, "f", ft, ft, None), restored)["afdcd_fd"]
        for ft, restored in (small, large)
    ]
    torch.testing.assert_close(*errors)


def test_afdcd_pools_the_valid_maxima() -> None:
    """Windows at the border are partial, and ignored cells never the maximum."""
    ft, restored = draw(1, 8, 5, 6), draw(1, 8, 5, 6)
    mask = random_mask(1, 5, 6)
    mask[0, :2, :2] = False
    method = build_method("afdcd", [pair(6, 8)], K, pool=2, contrast_weight=1.0)
    term = method.weigh(FeatureMaps(0, "f", ft, ft, mask), restored)["afdcd_contrast"]
    small, patches = (
        [torch.zeros(1, 8, 3, 3).double() for _ in range(2)],
        torch.zeros(1, 3, 3),
    )
    for i, j in product(range(3), range(3)):
        window = mask[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        patches[0, i, j] = window.any()
        for f, pooled_map in zip((restored, ft), small, strict=True):
            if window.any():
                values = f[0, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2][:, window]
                pooled_map[0, :, i, j] = values.amax(dim=1)
    expected = contrast_loss(*small, groups=8, valid=patches > 0)
    torch.testing.assert_close(term, expected)


def test_afdcd_distils_logits_too() -> None:
    fs, ft, target = torch.randn(2, 6, 4, 4), torch.randn(2, 8, 4, 4), torch.zeros(2, 8, 8).long()
    target[:, :3] = 255
    method = build_method("afdcd", [pair(6, 8)], K, kd_weight=0.5)
    terms = compare(method, fs, ft, target)
    torch.manual_seed(1)
    zs, zt = torch.randn(2, 2, K, 8, 8)
    torch.testing.assert_close(terms["afdcd_kd"], 0.5 * kd_loss(zs, zt, valid=target != 255))
