"""Foreign networks as teachers and students, and pairs of maps between families."""

from __future__ import annotations

import copy

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torchvision.models.segmentation import deeplabv3_resnet50
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import lix
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
    ("features", "said"),
    [
        ({"f": "layr"}, "has no 'layr'"),
        ({"f": "deper"}, "did you mean 'deeper'"),
        ({"f": "twice"}, "called 2 times"),
        ({"f": "down"}, "changed in place"),
    ],
)
def test_wrong_features_are_one_sentence(features: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
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


def test_pair_prints_a_table_and_code_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    from lix.methods import FeaturePair

    teacher, student = deeplab(), segformer()
    found = lix.pair(teacher, student)
    printed = capsys.readouterr().out
    table, code = printed.split("\n\n")
    assert table.splitlines()[1].split() == ["enc2", "64", "8", "enc4", "1024", "8"]
    scope = {"FeaturePair": FeaturePair, "teacher": teacher, "student": student}
    exec(code, scope)
    assert tuple(scope["pairs"]) == found.pairs


def test_pair_leaves_out_what_has_no_partner() -> None:
    teacher = lix.build_network("mfnet", K, 1)
    assert lix.pair(teacher, unet(), show=False).student == ("enc1", "enc2", "enc3")


def test_several_x_at_once() -> None:
    """Depth and normals are four channels to a teacher; so would thermal be one more."""
    teacher = lix.build_network("mfnet", K, 4)
    assert teacher(torch.rand(1, 3, 32, 32), torch.rand(1, 4, 32, 32)).logits.shape[1] == K
