"""MFNet's parameter counts and quirks, from the published layer table."""

from __future__ import annotations

import pytest
import torch

from lix.networks.mfnet import MFNet


@pytest.mark.parametrize(
    ("x_channels", "total", "encoders"),
    [(1, 739_185, 601_848), (3, 739_473, 602_136), (0, 600_345, 528_096)],
)
def test_official_parameter_counts_at_19_classes(
    x_channels: int, total: int, encoders: int
) -> None:
    with torch.device("meta"):
        network = MFNet(19, x_channels, head="official")
    assert sum(p.numel() for p in network.parameters()) == total
    inside = [p.numel() for name, p in network.named_parameters() if "encoder" in name]
    assert sum(inside) == encoders


@pytest.mark.parametrize(("x_channels", "per_class"), [(1, 291), (0, 147)])
def test_official_head_grows_by_class_as_published(x_channels: int, per_class: int) -> None:
    def count(k: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in MFNet(k, x_channels, head="official").parameters())

    assert count(20) - count(19) == per_class


def test_linear_head_has_no_norm() -> None:
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in MFNet(19, 0, head=head).parameters())
            for head in ("official", "linear")
        ]
    assert counts[0] - counts[1] == 2 * 19


def test_fused_maps_are_the_concatenated_parts() -> None:
    network = MFNet(4, 1).eval()
    names = [f"{part}{i}" for i in range(1, 6) for part in ("enc", "rgb", "x")]
    maps = network(torch.rand(1, 3, 32, 48), torch.rand(1, 1, 32, 48), features=names).features
    for i in range(1, 6):
        fused = torch.cat([maps[f"rgb{i}"], maps[f"x{i}"]], dim=1)
        torch.testing.assert_close(maps[f"enc{i}"], fused)


def test_official_head_standardises_and_shrinks_negative_scores() -> None:
    network = MFNet(4, 0, head="official").train()
    logits = network(torch.rand(4, 3, 32, 48)).logits
    unshrunk = torch.where(logits < 0, 5 * logits, logits)
    torch.testing.assert_close(unshrunk.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(unshrunk.std((0, 2, 3)), torch.ones(4), atol=1e-2, rtol=0)


def test_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown head 'relu'"):
        MFNet(4, head="relu")
