"""Checkpoints in the authors' format, written here in their layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

import lix


class ConvBn(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs)


def theirs_mfnet(classes: int) -> nn.Module:
    """The layer names of MFNet-pytorch."""
    net = nn.Module()
    for stream, inputs, w in (("rgb", 3, (16, 48, 48, 96, 96)), ("inf", 1, (16, 16, 16, 36, 36))):
        net.add_module(f"conv1_{stream}", ConvBn(inputs, w[0]))
        for n in (2, 3):
            net.add_module(f"conv{n}_1_{stream}", ConvBn(w[n - 2], w[n - 1]))
            net.add_module(f"conv{n}_2_{stream}", ConvBn(w[n - 1], w[n - 1]))
        for n in (4, 5):
            block = nn.Module()
            for k in (1, 2, 3):
                for side in ("left", "right"):
                    given = w[n - 2] if k == 1 else w[n - 1]
                    block.add_module(f"conv{k}_{side}", ConvBn(given, w[n - 1] // 2))
            net.add_module(f"conv{n}_{stream}", block)
    for n, (inputs, outputs) in {4: (132, 64), 3: (64, 64), 2: (64, 32), 1: (32, classes)}.items():
        net.add_module(f"decode{n}", ConvBn(inputs, outputs))
    return net


class ConvBn1(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs)


class Nested(ConvBn1):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3), nn.BatchNorm2d(outputs)


def theirs_roadseg(classes: int) -> nn.Module:
    """The layer names of SNE-RoadSeg, here over ResNet-18."""
    net, f = nn.Module(), (64, 64, 128, 256, 512)
    for stream in ("rgb", "another"):
        trunk = resnet18(weights=None)
        for part in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4"):
            net.add_module(f"encoder_{stream}_{part}", getattr(trunk, part))
    for j in range(1, 5):
        for i in range(1, 6 - j):
            net.add_module(f"conv{i}_{j}", Nested(f[i - 1] * (j + 1), f[i - 1]))
            net.add_module(f"up{i + 1}_{j - 1}", ConvBn1(f[i], f[i - 1]))
    net.add_module("final", ConvBn1(f[0], classes))
    return net


@pytest.mark.parametrize(
    ("name", "theirs", "options", "x_channels"),
    [
        ("mfnet", theirs_mfnet, {}, 1),
        ("sne_roadseg", theirs_roadseg, {"backbone": "resnet18"}, 3),
    ],
)
def test_all_of_it_is_matched(name, theirs, options, x_channels, tmp_path: Path) -> None:
    stored = theirs(9)
    for p in stored.parameters():
        nn.init.normal_(p)
    torch.save({f"module.{k}": v for k, v in stored.state_dict().items()}, tmp_path / "their.pth")
    network = lix.build_network(name, 9, x_channels, head="official", **options)
    report = lix.load_official(network, tmp_path / "their.pth")
    assert len(report.matched) == len(network.state_dict()) == len(stored.state_dict())
    assert not report.missing + report.other_shape + report.unused
    assert str(report) == f"{len(report.matched)} of {len(report.matched)} tensors loaded"
    ours = sorted(p.sum().item() for p in network.parameters())
    assert ours == sorted(p.sum().item() for p in stored.parameters())


def test_a_layer_lands_where_it_belongs(tmp_path: Path) -> None:
    stored = theirs_mfnet(9)
    torch.save(stored.state_dict(), tmp_path / "final.pth")
    network = lix.build_network("mfnet", 9, 1, head="official")
    lix.load_official(network, tmp_path / "final.pth")
    right = stored.conv5_inf.conv2_right.conv.weight
    torch.testing.assert_close(network.x_encoder.stages[4].dilated[1][0].weight, right)
    torch.testing.assert_close(network.head[0].weight, stored.decode1.conv.weight)


def test_student_says_what_is_left(tmp_path: Path) -> None:
    torch.save(theirs_mfnet(9).state_dict(), tmp_path / "final.pth")
    report = lix.load_official(
        lix.build_network("mfnet", 9, head="official"), tmp_path / "final.pth"
    )
    assert any(name.startswith("x_encoder") for name in report.unused)
    assert any(name.startswith("decode4") for name in report.other_shape)
    assert "unused: " in str(report)


def test_foreign_files_and_networks_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"Nothing in .* fits MFNet"):
        lix.load_official(lix.build_network("mfnet", 9), tmp_path / "other.pth")
    with pytest.raises(ValueError, match="known for MFNet and SNERoadSeg only"):
        lix.load_official(lix.build_network("offnet", 9, backbone="b0"), tmp_path / "other.pth")
    torch.save({"state_dict": [1, 2]}, tmp_path / "list.pth")
    with pytest.raises(ValueError, match="does not hold weights by name"):
        lix.load_official(lix.build_network("mfnet", 9), tmp_path / "list.pth")
