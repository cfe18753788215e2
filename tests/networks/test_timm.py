"""The network `timm`: plain ViTs, frozen backbones, and X behind the backbone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lix.networks import build_network

timm = pytest.importorskip("timm")
VIT = {"backbone": "test_vit", "x_backbone": "test_resnet"}


def saved(backbone: str, folder: Path) -> tuple[torch.nn.Module, str]:
    donor = timm.create_model(backbone, num_classes=3)
    path = folder / f"{backbone}.pth"
    torch.save(donor.state_dict(), path)
    return donor, str(path)


@pytest.mark.parametrize(
    "backbone",
    [
        "test_vit",
        "test_convnext",
        pytest.param("vit_small_patch14_reg4_dinov2", marks=pytest.mark.slow),
        pytest.param("vit_small_patch16_dinov3", marks=pytest.mark.slow),
        pytest.param("mvitv2_tiny", marks=pytest.mark.slow),
    ],
)
def test_gives_the_maps_of_the_file_for_a_normalised_image(backbone: str, tmp_path: Path) -> None:
    donor, weights = saved(backbone, tmp_path)
    network = build_network("timm", 5, backbone=backbone, weights=weights).eval()
    size = 2 * network.size_divisor
    image = torch.rand(1, 3, size, size)
    names = ["enc1", "enc2", "enc3", "enc4"]
    with torch.no_grad():
        maps = network(image, features=names).features
        mean, std = (torch.tensor(donor.pretrained_cfg[k]).view(3, 1, 1) for k in ("mean", "std"))
        if hasattr(donor, "set_input_size"):
            donor.set_input_size((size, size))
        expected = donor.eval().forward_intermediates(
            (image - mean) / std, indices=4, norm=False, intermediates_only=True
        )
    assert network(image).logits.shape == (1, 5, size, size)
    for name, theirs in zip(names, expected, strict=True):
        # A fresh batch norm divides by the root of 1 + 1e-5.
        torch.testing.assert_close(maps[name], theirs, rtol=1e-4, atol=1e-4)


def test_frozen_backbone_stays_and_the_rest_learns(tmp_path: Path) -> None:
    donor, weights = saved("test_resnet", tmp_path)
    options = {"backbone": "test_resnet", "weights": weights, "x_backbone": "test_resnet"}
    network = build_network("timm", 5, 1, frozen=True, **options).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.rand(2, 3, 64, 96), torch.rand(2, 1, 64, 96)).logits.square().sum().backward()
    optimizer.step()
    changed = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert not any(name.startswith("backbone.") for name in changed)
    learnt = {"norms.0.running_mean", "decoder.head.weight", "x_projections.3.0.weight"}
    assert changed > learnt | {"x_encoder.trunk.conv1.0.weight"}
    torch.testing.assert_close(
        network.state_dict()["backbone.trunk.conv1.0.weight"], donor.conv1[0].weight
    )


def test_backbone_that_is_not_frozen_learns() -> None:
    network = build_network("timm", 5, backbone="test_resnet").train()
    assert network.backbone.training
    assert all(p.requires_grad for p in network.parameters())


def test_frozen_backbone_never_sees_x() -> None:
    network = build_network("timm", 5, 1, frozen=True, **VIT).eval()
    image, x = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96)
    names = [f"{stream}{level}" for stream in ("rgb", "x", "enc") for level in range(1, 5)]
    one = network(image, x, features=names).features
    other = network(image, 1 - x, features=names).features
    for level in range(1, 5):
        torch.testing.assert_close(one[f"enc{level}"], one[f"rgb{level}"] + one[f"x{level}"])
        assert torch.equal(one[f"rgb{level}"], other[f"rgb{level}"])
        assert not torch.equal(one[f"x{level}"], other[f"x{level}"])


def test_weights_of_x_are_read(tmp_path: Path) -> None:
    donor, weights = saved("test_resnet", tmp_path)
    network = build_network("timm", 5, 1, x_weights=weights, **VIT)
    stem = network.x_encoder.trunk.conv1[0].weight
    torch.testing.assert_close(stem, donor.conv1[0].weight.mean(1, keepdim=True))


def test_what_cannot_be_taken_is_named(tmp_path: Path) -> None:
    for backbone, message in {
        "resnet19": "Did you mean 'resnet18'",
        "levit_128s": "timm cannot give the levels of levit_128s",
        "hiera_tiny_224": "hiera_tiny_224 of timm does not take an image of",
    }.items():
        with pytest.raises(ValueError, match=message):
            build_network("timm", 5, backbone=backbone)
    _, weights = saved("test_resnet", tmp_path)
    with pytest.raises(ValueError, match="does not hold weights of test_vit"):
        build_network("timm", 5, backbone="test_vit", weights=weights)
