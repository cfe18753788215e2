"""Foreign networks as teachers and students, and pairs of maps between families."""

from __future__ import annotations

import copy

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.models.segmentation import deeplabv3_resnet50
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import lix
from lix.data.encode import encoded_channels
from lix.data.modalities import Channels, Depth, XSpec
from lix.data.sample import Sample, camera_matrix
from lix.data.transforms import to_batch
from lix.networks import SegNetwork

K = 5


class Plain(nn.Module):
    """A class of a user's own, RGB and X."""

    def __init__(self, x_channels: int = 0) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3 + x_channels, 8, 3, 2, 1), nn.BatchNorm2d(8))
        self.act = nn.ReLU(inplace=True)
        self.deeper = nn.Conv2d(8, 16, 3, 2, 1)
        self.twice = nn.Conv2d(16, 16, 1)
        self.head = nn.Conv2d(16, K, 1)

    def forward(self, image: Tensor, x: Tensor | None = None) -> dict[str, Tensor]:
        f = self.act(self.down(image if x is None else torch.cat([image, x], dim=1)))
        return {"out": self.head(self.twice(self.twice(self.deeper(f))))}


def deeplab() -> SegNetwork:
    module = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=K)
    return lix.wrap(module, {"enc4": "backbone.layer3", "enc5": "backbone.layer4"})


def unet() -> SegNetwork:
    module = smp.Unet("resnet18", encoder_weights=None, classes=K)
    return lix.wrap(module, {f"enc{i}": f"encoder.layer{i}" for i in (1, 2, 3, 4)}, size_divisor=32)


def segformer() -> SegNetwork:
    def run(module: nn.Module, image: Tensor, x: Tensor | None):
        out = module(image, output_hidden_states=True)
        return out.logits, {f"enc{i}": f for i, f in enumerate(out.hidden_states, start=1)}

    return lix.wrap(SegformerForSemanticSegmentation(SegformerConfig(num_labels=K)), forward=run)


def plain() -> SegNetwork:
    return lix.wrap(Plain(1), {"first": "act", "second": "deeper"}, x_channels=1, size_divisor=4)


@pytest.fixture(params=[deeplab, unet, segformer, plain], ids=lambda f: f.__name__)
def network(request: pytest.FixtureRequest) -> SegNetwork:
    torch.manual_seed(0)
    return request.param()


def inputs(network: SegNetwork) -> tuple[Tensor, ...]:
    image = torch.rand(2, 3, 64, 96)
    return (image, torch.rand(2, network.x_channels, 64, 96)) if network.x_channels else (image,)


def test_has_the_face_of_a_network(network: SegNetwork) -> None:
    names = list(network.feature_specs)
    out = network(*inputs(network), features=names)
    assert network.num_classes == K
    assert out.logits.shape == (2, K, 64, 96)
    for name, spec in network.feature_specs.items():
        f = out.features[name]
        assert f.shape == (2, spec.channels, 64 // spec.stride, 96 // spec.stride)
    out.features[names[-1]].sum().backward()
    assert any(p.grad is not None for p in network.parameters())


def hooks(network: SegNetwork) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_copies_are_independent_and_leave_no_hooks(network: SegNetwork) -> None:
    network.eval()
    before_hooks = hooks(network)
    given, names = inputs(network), list(network.feature_specs)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for p in twin.parameters():
            p.zero_()
    before = network(*given, features=names).features[names[0]]
    twin(*given, features=names)
    torch.testing.assert_close(network(*given, features=names).features[names[0]], before)
    assert hooks(network) == before_hooks


def test_exceptions_leave_no_hooks() -> None:
    network = plain()
    network.module.head.forward = lambda f: 1 / 0
    with pytest.raises(ZeroDivisionError):
        network(*inputs(network), features=["first"])
    assert hooks(network) == 0


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"f": "layr"}, "has no 'layr'"),
        ({"f": "deper"}, "did you mean 'deeper'"),
        ({"f": "twice"}, "called 2 times"),
        ({"f": "down"}, "changed in place"),
    ],
)
def test_wrong_features_are_one_sentence(features: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lix.wrap(Plain(), features)


def test_inputs_and_selected_outputs_can_be_maps() -> None:
    network = lix.wrap(
        Plain(),
        {"before": "deeper:input", "half": "deeper"},
        select={"half": lambda f: f[:, :4]},
    )
    assert network.feature_specs == {"before": (8, 2), "half": (4, 4)}


def test_what_is_no_map_is_named() -> None:
    with pytest.raises(ValueError, match="make one with select="):
        lix.wrap(Plain(), {"f": "deeper"}, select={"f": lambda f: f.flatten(1)})


def test_training_mode_survives_the_probe() -> None:
    module = Plain()
    module.down.eval()
    lix.wrap(module, {"f": "deeper"})
    assert module.training
    assert not module.down.training


@pytest.mark.parametrize("make", [deeplab, segformer])
def test_other_families_teach_each_other(make) -> None:
    teacher, student = lix.build_network("mfnet", K, 1).eval(), make()
    s_maps, t_maps, pairs = lix.pair(teacher, student, show=False)
    method = lix.build_method("lix", pairs, K)
    image, x, target = (
        torch.rand(2, 3, 64, 96),
        torch.rand(2, 1, 64, 96),
        torch.randint(K, (2, 64, 96)),
    )
    with torch.no_grad():
        t = teacher(image, x, features=t_maps)
    sum(method(student(image, features=s_maps), t, target).values()).backward()
    assert any(p.grad is not None for p in student.parameters())


def test_several_x_at_once() -> None:
    """Depth, its normals and a thermal image are five channels, and the teacher uses each."""
    torch.manual_seed(0)
    depth, thermal = Depth(torch.rand(1, 32, 48) * 20 + 1), Channels(torch.rand(1, 32, 48))
    sample = Sample(
        image=tv_tensors.Image(torch.zeros(3, 32, 48, dtype=torch.uint8)),
        target=tv_tensors.Mask(torch.zeros(32, 48, dtype=torch.int64)),
        id="one",
        x=(depth, thermal),
        intrinsics=camera_matrix(50.0, 50.0, 24.0, 16.0),
    )
    batch = to_batch(sample, "log+normal")
    image, x = batch["image"][None], batch["x"][None]
    specs = [XSpec("depth", 1), XSpec("channels", 1)]
    teacher = lix.build_network("mfnet", K, encoded_channels(specs, "log+normal")).eval()
    with torch.no_grad():
        before = teacher(image, x).logits
        for channel in range(5):
            without = x.clone()
            without[:, channel] = 0
            assert not torch.allclose(teacher(image, without).logits, before, atol=1e-6)


class Misfit(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, K, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv(image)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lix.wrap(Misfit(4)), "Misfit does not run on .*set x_channels"),
        (lambda: lix.wrap(Misfit(), x_channels=1), "Misfit does not run on .*call="),
        (lambda: lix.wrap(Misfit(), size_divisor=0), "size_divisor is 0"),
        (
            lambda: lix.wrap(Misfit(), {"a": "conv"}, forward=lambda m, i, x: (m(i), {})),
            "leave out features, call and select",
        ),
        (
            lambda: lix.wrap(Misfit(), {"a": "conv"}, select={"b": lambda f: f}),
            "Unknown feature in select 'b'",
        ),
        (
            lambda: lix.wrap(
                nn.Sequential(nn.Conv2d(3, 64, 4, 4), nn.Conv2d(64, K, 1)),
                {"f": "0"},
                select={"f": lambda f: f.permute(0, 2, 3, 1)},
            ),
            "not a map in NCHW order",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(make, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_maps_that_a_later_pass_does_not_return_are_missed() -> None:
    maps = {"f": torch.zeros(1, 2, 32, 64)}
    network = lix.wrap(
        Misfit(),
        forward=lambda m, image, x: (
            m(image),
            {n: f.new_zeros(1, 2, *(s // 2 for s in image.shape[-2:])) for n, f in maps.items()},
        ),
    )
    image = torch.rand(1, 3, 32, 32)
    assert network(image, features=["f"]).features["f"].shape == (1, 2, 16, 16)
    maps.clear()
    with pytest.raises(ValueError, match="did not return the map 'f'"):
        network(image, features=["f"])


def test_modules_in_other_precisions_and_inputs_by_keyword() -> None:
    class Keyword(Misfit):
        def forward(self, image: Tensor) -> Tensor:
            return self.conv(input=image)

    network = lix.wrap(Keyword().double(), {"given": "conv:input"})
    assert network.feature_specs == {"given": (3, 1)}
    with pytest.raises(TypeError, match="sequence of names"):
        network(torch.rand(1, 3, 8, 8, dtype=torch.double), features="given")
    with pytest.raises(ValueError, match="Keyword needs an image"):
        network(torch.rand(3, 8, 8))
