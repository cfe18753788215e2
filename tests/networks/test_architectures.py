"""The published sizes of SNE-RoadSeg and OFF-Net, and what is particular to each network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from lix.networks import build_network
from lix.networks.sne_roadseg import SNERoadSeg


def count(name: str, x_channels: int, **options: object) -> tuple[int, int]:
    """Parameters of the whole and of the encoders, at 19 classes, without memory for them."""
    with torch.device("meta"):
        network = build_network(name, 19, x_channels, **options)
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    return sum(sizes.values()), sum(n for name, n in sizes.items() if "encoder" in name)


@pytest.mark.parametrize(
    ("backbone", "depth", "normals", "student"),
    [
        ("resnet18", 28_412_089, 28_418_361, 17_241_849),
        ("resnet34", 48_628_409, 48_634_681, 27_350_009),
        ("resnet50", 132_056_825, 132_063_097, 108_555_065),
        ("resnet101", 170_041_081, 170_047_353, 127_547_193),
        ("resnet152", 201_328_377, 201_334_649, 143_190_841),
    ],
)
def test_sne_roadseg_has_the_published_size(
    backbone: str, depth: int, normals: int, student: int
) -> None:
    for x_channels, expected in ((1, depth), (3, normals), (0, student)):
        got = count("sne_roadseg", x_channels, backbone=backbone, head="official")
        assert got[0] == expected


def test_the_encoders_of_the_paper() -> None:
    assert count("sne_roadseg", 0)[1] == 58_143_808
    assert count("sne_roadseg", 1)[1] == 116_281_344


@pytest.mark.parametrize(
    ("backbone", "x_channels", "expected"),
    [("b2", 3, 24_731_155), ("b2", 0, 24_726_995), ("b0", 3, 3_720_083), ("b0", 0, 3_719_027)],
)
def test_offnet_has_its_size_without_dead_weights(
    backbone: str, x_channels: int, expected: int
) -> None:
    assert count("offnet", x_channels, backbone=backbone)[0] == expected


@pytest.fixture(scope="module")
def teacher() -> SNERoadSeg:
    return build_network("sne_roadseg", 5, 1, backbone="resnet18").eval()


def test_fused_maps_are_sums_and_x_never_sees_rgb(teacher: SNERoadSeg) -> None:
    image, x = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96)
    names = [f"{stream}{i}" for i in range(1, 6) for stream in ("rgb", "x", "enc")]
    f = teacher(image, x, features=names).features
    for i in range(1, 6):
        torch.testing.assert_close(f[f"enc{i}"], f[f"rgb{i}"] + f[f"x{i}"])
    other = teacher(torch.rand_like(image), x, features=names).features
    assert all(torch.equal(f[f"x{i}"], other[f"x{i}"]) for i in range(1, 6))
    assert not torch.equal(f["rgb5"], other["rgb5"])


def test_official_head_has_no_negative_logit() -> None:
    network = build_network("sne_roadseg", 5, backbone="resnet18", head="official")
    assert network(torch.rand(2, 3, 64, 64)).logits.min() == 0


def test_offnet_repeats_depth_and_refuses_other_channels() -> None:
    network = build_network("offnet", 5, 1, backbone="b0").eval()
    image, x = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    names = ["enc1", "enc1_sum"]
    one = network(image, x, features=names)
    assert not torch.equal(one.features["enc1"], one.features["enc1_sum"])
    network.x_channels = 3
    torch.testing.assert_close(network(image, x.expand(-1, 3, -1, -1)).logits, one.logits)
    with pytest.raises(ValueError, match=r"1 or 3 channels, .*got 4"):
        build_network("offnet", 5, 4)


class TestImageNetWeights:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        torch.manual_seed(3)
        trunk = resnet18(weights=None)
        trunk.bn1.weight.data.uniform_(0.2, 0.4)
        torch.save(trunk.state_dict(), tmp_path / "resnet18.pth")
        save_file(trunk.state_dict(), tmp_path / "resnet18.safetensors")
        return tmp_path / "resnet18.pth"

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_stem_of_x_is_the_mean_and_norms_stay(self, file: Path, suffix: str) -> None:
        path = file.with_suffix(suffix)
        network = build_network("sne_roadseg", 5, 1, backbone="resnet18", weights=str(path))
        stored = torch.load(file, weights_only=True)
        conv, norm = network.x_encoder.stages[0][0], network.x_encoder.stages[0][1]
        torch.testing.assert_close(conv.weight, stored["conv1.weight"].mean(1, keepdim=True))
        torch.testing.assert_close(norm.weight, stored["bn1.weight"])
        rgb = network.rgb_encoder.stages[4][1].conv2.weight
        torch.testing.assert_close(rgb, stored["layer4.1.conv2.weight"])

    def test_of_another_network_are_refused(self, file: Path) -> None:
        with pytest.raises(ValueError, match="does not hold weights of resnet50"):
            build_network("sne_roadseg", 5, backbone="resnet50", weights=str(file))

    def test_are_never_downloaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        with pytest.raises(FileNotFoundError, match="lix downloads nothing"):
            build_network("sne_roadseg", 5, backbone="resnet18", weights="imagenet")

    def test_are_found_in_the_cache(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        cache = tmp_path / "hub" / "checkpoints"
        cache.mkdir(parents=True)
        file.rename(cache / "resnet18-f37072fd.pth")
        assert build_network("sne_roadseg", 5, backbone="resnet18", weights="imagenet")

    def test_damaged_file_is_one_sentence(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.pth"
        broken.write_bytes(b"half")
        with pytest.raises(ValueError, match="damaged or not a file of weights"):
            build_network("sne_roadseg", 5, backbone="resnet18", weights=str(broken))


@pytest.mark.parametrize("decoder", ["unetpp", "mlp"])
@pytest.mark.parametrize(
    "backbone",
    ["convnext_atto.d2_in1k", "mobilenetv3_small_100", "pvt_v2_b0", "mambaout_femto"],
)
def test_duplexnet_fuses_any_backbone(backbone: str, decoder: str) -> None:
    options = {"backbone": backbone, "decoder": decoder}
    network = build_network("duplexnet", 5, 1, **options).eval()
    image, x = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96)
    out = network(image, x, features=list(network.feature_specs))
    assert out.logits.shape == (1, 5, 64, 96)
    for name, spec in network.feature_specs.items():
        f = out.features[name]
        assert f.shape == (1, spec.channels, 64 // spec.stride, 96 // spec.stride)
    torch.testing.assert_close(out.features["enc3"], out.features["rgb3"] + out.features["x3"])
    student = build_network("duplexnet", 5, **options).eval()
    assert student(image).logits.shape == (1, 5, 64, 96)


def test_channels_last_maps_are_turned_at_any_size() -> None:
    """48 channels and 48 cells of height look the same; 192 pixels make 48 cells."""
    options = {"backbone": "mambaout_femto", "decoder": "mlp"}
    network = build_network("duplexnet", 5, **options).eval()
    with torch.no_grad():
        f = network(torch.rand(1, 3, 192, 320), features=["enc1"]).features["enc1"]
    assert f.shape == (1, 48, 48, 80)


def test_duplexnet_injects_the_sum_into_the_next_stage() -> None:
    network = build_network("duplexnet", 5, 1).eval()
    image, x = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96)
    with_x = network(image, x, features=["rgb5"]).features["rgb5"]
    blind = network(image, torch.zeros_like(x), features=["rgb5"]).features["rgb5"]
    assert not torch.allclose(with_x, blind)


def test_duplexnet_names_what_it_cannot_take() -> None:
    with pytest.raises(ValueError, match="Did you mean 'resnet18'"):
        build_network("duplexnet", 5, backbone="resnet19")
    for backbone, message in {
        "vit_tiny_patch16_224": r"strides \(16, 16, 16\)",
        "levit_128s": "levit_128s of timm does not take an image of",
        "mvitv2_tiny": "mvitv2_tiny of timm cannot be cut at",
    }.items():
        with pytest.raises(ValueError, match=message):
            build_network("duplexnet", 5, backbone=backbone)


def test_duplexnet_reads_weights_from_a_file(tmp_path: Path) -> None:
    import timm

    donor = timm.create_model("resnet18", num_classes=3)
    torch.save(donor.state_dict(), tmp_path / "r18.pth")
    network = build_network("duplexnet", 5, 1, weights=str(tmp_path / "r18.pth"))
    torch.testing.assert_close(
        network.rgb_encoder.trunk.layer1[0].conv1.weight, donor.layer1[0].conv1.weight
    )
    torch.testing.assert_close(
        network.x_encoder.trunk.layer1[0].conv1.weight, donor.layer1[0].conv1.weight
    )
    mean = donor.conv1.weight.mean(dim=1, keepdim=True)
    torch.testing.assert_close(network.x_encoder.trunk.conv1.weight, mean)


@pytest.mark.parametrize("backbone", ["convnext_atto", "pvt_v2_b0"])
def test_duplexnet_reads_weights_where_timm_renames(backbone: str, tmp_path: Path) -> None:
    import timm

    donor = timm.create_model(backbone, num_classes=3)
    torch.save(donor.state_dict(), tmp_path / "w.pth")
    torch.manual_seed(1)
    network = build_network("duplexnet", 5, backbone=backbone, weights=str(tmp_path / "w.pth"))
    trunk = timm.create_model(backbone, features_only=True)
    torch.manual_seed(2)
    image = torch.rand(1, 3, 64, 96)
    stored = {k.replace(".", "_"): v for k, v in donor.state_dict().items()}
    own = {k: stored[k.replace(".", "_")] for k in trunk.state_dict()}
    trunk.load_state_dict(own)
    with torch.no_grad():
        expected = trunk.eval()(image)
        for ours, theirs in zip(network.rgb_encoder.eval()(image), expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_duplexnet_refuses_weights_of_another_network(tmp_path: Path) -> None:
    import timm

    file = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="does not hold weights of resnet18: "):
        build_network("duplexnet", 5, weights=str(file))
    torch.save(timm.create_model("resnet18").state_dict(), file)
    with pytest.raises(ValueError, match="does not hold weights of resnet50: "):
        build_network("duplexnet", 5, backbone="resnet50", weights=str(file))
    with pytest.raises(FileNotFoundError, match="imagenet are missing"):
        build_network("duplexnet", 5, weights="imagenet")
