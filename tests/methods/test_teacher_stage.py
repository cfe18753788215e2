"""Teacher stages: what they learn on the teacher, what they leave alone, and their protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.registry import entries
from lix.methods import FeaturePair, Method, build_method, dice
from lix.methods.parts.teacher_stage import Batch
from lix.networks import FeatureSpec, SegNetwork, SegOutput, build_network

K = 5
PAIRS = [FeaturePair(FeatureSpec(6, 2), FeatureSpec(8, 2))]
TWO_STAGES = ["ft", "maskd"]


class Stub(nn.Module):
    """A teacher that works position by position: maps of rank 3, and K class scores."""

    default_features = ("early", "late")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.early, self.late = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 8, 1)
        self.head = nn.Conv2d(3, K, 1)
        nn.init.normal_(self.head.weight, std=3.0)
        self.asked: list[tuple[str, ...]] = []

    def forward(
        self, image: Tensor, x: Tensor | None = None, *, features: Sequence[str] = ()
    ) -> SegOutput:
        assert not torch.is_grad_enabled()
        assert not self.training
        self.asked.append(tuple(features))
        small = F.avg_pool2d(image, 2)
        maps = {name: F.leaky_relu(getattr(self, name)(small), 0.1) for name in features}
        return SegOutput(self.head(image), maps)


@pytest.fixture
def stub() -> Stub:
    return Stub().eval()


def batches(teacher: Stub, count: int = 8) -> list[Batch]:
    """Images with labels that the teacher predicts; the top rows are ignored."""
    made: list[Batch] = []
    for _ in range(count):
        image = torch.randn(3, 3, 8, 12)
        target = teacher.head(image).argmax(dim=1)
        target[:, :2] = 255
        made.append((image, None, target))
    return made


def build(name: str, **options: Any) -> Method:
    torch.manual_seed(2)
    return build_method(name, PAIRS if name == "ft" else (), K, **options)


def prepared(name: str, teacher: Stub, data: list[Batch], **options: Any) -> dict[str, Tensor]:
    method = build(name, **options)
    method.prepare(teacher, data)
    return method.state_dict()


def test_ft_learns_to_reconstruct_the_teacher(stub: Stub) -> None:
    """Smooth maps of one underlying channel must come back better than as constants.

    Constants, the channels' medians, are what the paraphraser finds first and stays at for a while.
    """
    data: list[Batch] = []
    for _ in range(8):
        source = F.interpolate(torch.randn(3, 1, 1, 2), size=(8, 12), mode="bilinear")
        data.append((5 * source.expand(-1, 3, -1, -1), None, torch.zeros(3, 8, 12).long()))
    ft = torch.cat(maps(stub, data))
    medians = ft.movedim(1, 0).flatten(1).median(dim=1).values.view(1, -1, 1, 1)
    method = build("ft", passes=20, lr=0.05)
    method.prepare(stub, data)
    error = (method.paraphrasers[0](ft) - ft).abs().mean()
    assert error < 0.8 * (medians - ft).abs().mean()


def test_ft_teacher_stage_is_the_mean_error_over_labelled_cells(stub: Stub) -> None:
    data = batches(stub, count=1)
    method = build("ft")
    ft = maps(stub, data)[0]
    blanked = torch.cat([torch.zeros_like(ft[:, :, :1]), ft[:, :, 1:]], dim=2)
    expected = (method.paraphrasers[0](blanked) - ft)[:, :, 1:].abs().mean()
    loss = method.teacher_stage().loss(*known(stub, data[0], ("late",)))
    torch.testing.assert_close(loss, expected)


def maps(teacher: Stub, data: list[Batch]) -> list[Tensor]:
    return [known(teacher, batch, ("late",))[0].features["late"] for batch in data]


def known(teacher: Stub, batch: Batch, features: Sequence[str] = ()) -> tuple[SegOutput, Tensor]:
    with torch.no_grad():
        return teacher(batch[0], features=features), batch[2]


def test_maskd_tokens_come_apart_without_losing_the_task(stub: Stub) -> None:
    data = batches(stub)
    method = build("maskd", passes=6, tokens=4)

    def overlap() -> float:
        shared = [dice(method.tokens(*scores(stub, batch))) for batch in data]
        return torch.stack(shared).mean().item()

    def loss() -> float:
        stage = method.teacher_stage()
        return torch.stack([stage.loss(*known(stub, batch)) for batch in data]).mean().item()

    overlap_before, loss_before = overlap(), loss()
    method.prepare(stub, data)
    assert overlap() < overlap_before - 0.2
    assert loss() < loss_before - 0.2


def scores(teacher: Stub, batch: Batch) -> tuple[Tensor, Tensor]:
    out, target = known(teacher, batch)
    return out.logits, target != 255


def test_ft_is_frozen_but_for_the_translator(stub: Stub) -> None:
    method = build("ft", passes=1)
    method.prepare(stub, batches(stub))
    learning = {name.split(".")[0] for name, p in method.named_parameters() if p.requires_grad}
    assert learning == {"translators"}
    fs = torch.randn(3, 6, 4, 6, requires_grad=True)
    student = SegOutput(torch.randn(3, K, 8, 12), {"s": fs})
    teacher, target = known(stub, batches(stub)[0], ("late",))
    method.zero_grad()
    method(student, teacher, target)["ft"].backward()
    assert all(p.grad.any() for p in method.translators.parameters())
    assert all(p.grad is None for p in method.paraphrasers.parameters())


@pytest.mark.parametrize("name", TWO_STAGES)
def test_no_gradient_of_the_teacher_stage_is_left(name: str, stub: Stub) -> None:
    """Else the first step of an optimiser over `method.parameters()` moves what is frozen."""
    method = build(name, passes=1)
    method.prepare(stub, batches(stub))
    assert [n for n, p in method.named_parameters() if p.grad is not None] == []


@pytest.mark.parametrize("name", TWO_STAGES)
def test_a_teacher_stage_that_diverges_is_said(name: str, stub: Stub) -> None:
    with pytest.raises((ArithmeticError, ValueError), match="lr"):
        build(name, passes=3, lr=1e20).prepare(stub, batches(stub))


def test_maskd_has_nothing_to_train_beside_the_student(stub: Stub) -> None:
    method = build("maskd", passes=1)
    before = method.tokens.weight.clone()
    method.prepare(stub, batches(stub))
    assert not torch.equal(method.tokens.weight, before)
    assert not any(p.requires_grad for p in method.parameters())


@pytest.mark.parametrize("name", TWO_STAGES)
def test_the_teacher_stage_leaves_an_rgb_x_teacher_as_it_is(name: str) -> None:
    teacher: SegNetwork = build_network("mfnet", K, 1).eval()
    data: list[Batch] = [
        (torch.rand(2, 3, 16, 32), torch.rand(2, 1, 16, 32), torch.randint(0, K, (2, 16, 32)))
    ]
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    spec = teacher.feature_specs["enc5"]
    method = build_method(name, [FeaturePair(FeatureSpec(6, 16), spec)], K, passes=2)
    parts = {key: value.clone() for key, value in method.state_dict().items()}
    method.prepare(teacher, data)
    assert not teacher.training
    assert all(p.grad is None for p in teacher.parameters())
    after = teacher.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    moved = [
        key for key, value in method.state_dict().items() if not torch.equal(value, parts[key])
    ]
    assert {key.split(".")[0] for key in moved} == {"ft": {"paraphrasers"}, "maskd": {"tokens"}}[
        name
    ]


@pytest.mark.parametrize("name", TWO_STAGES)
@pytest.mark.parametrize("garbage", [1e4, float("nan")])
def test_ignored_pixels_do_not_change_the_teacher_stage(
    name: str, garbage: float, stub: Stub
) -> None:
    data = batches(stub)
    expected = prepared(name, stub, data, passes=2)
    for image, _, _ in data:
        image[:, :, :2] = garbage
    torch.testing.assert_close(prepared(name, stub, data, passes=2), expected)


@pytest.mark.parametrize("name", TWO_STAGES)
def test_ignored_samples_do_not_change_the_teacher_stage(name: str, stub: Stub) -> None:
    data = batches(stub)
    more = [
        (torch.cat([image, image]), None, torch.cat([target, torch.full_like(target, 255)]))
        for image, _, target in data
    ]
    expected = prepared(name, stub, data, passes=2)
    torch.testing.assert_close(prepared(name, stub, more, passes=2), expected)


@pytest.mark.parametrize("name", TWO_STAGES)
def test_a_batch_without_labels_is_harmless(name: str, stub: Stub) -> None:
    data = batches(stub, count=2)
    data[0] = (torch.full_like(data[0][0], float("nan")), None, torch.full_like(data[0][2], 255))
    assert all(v.isfinite().all() for v in prepared(name, stub, data, passes=2).values())


@pytest.mark.parametrize("once", [iter, lambda data: (batch for batch in data)])
@pytest.mark.parametrize("name", TWO_STAGES)
def test_batches_that_can_be_passed_over_only_once_are_refused(
    name: str, once: Callable[[list[Batch]], Any], stub: Stub
) -> None:
    data = batches(stub, count=2)
    with pytest.raises(ValueError, match="used up; give prepare a list or a DataLoader"):
        build(name, passes=2).prepare(stub, once(data))
    build(name, passes=1).prepare(stub, once(data))


@pytest.mark.parametrize("name", TWO_STAGES)
def test_a_prepared_part_is_frozen(name: str, stub: Stub) -> None:
    data = batches(stub, count=2)
    method = build(name, passes=3)
    method.prepare(stub, data)
    assert len(stub.asked) == 2 * 3
    assert not any(p.requires_grad for p in method.teacher_stage().part.parameters())


@pytest.mark.parametrize("name", TWO_STAGES)
def test_an_epoch_reports_the_mean_loss_and_takes_one_step_a_batch(name: str, stub: Stub) -> None:
    """Steps at lr = 1e-30 leave the part as it is, so that the losses are those of the start."""
    data = batches(stub, count=3)
    method = build(name, lr=1e-30, passes=1)
    stage = method.teacher_stage()
    features = ("late",) if name == "ft" else ()
    losses = [stage.loss(*known(stub, batch, features)).item() for batch in data]
    assert stage.run_epoch(stub, data, features) == pytest.approx(sum(losses) / 3)
    assert stage.epochs_done == 1


@pytest.mark.parametrize("pairs", [1, 2])
def test_the_teachers_last_default_maps_are_asked_for(pairs: int, stub: Stub) -> None:
    specs = [FeatureSpec(4, 2), FeatureSpec(8, 2)][-pairs:]
    data = batches(stub, count=1)
    build_method("ft", [FeaturePair(s, s) for s in specs], K, passes=1).prepare(stub, data)
    build("maskd", passes=1).prepare(stub, data)
    build("ft", passes=1).prepare(stub, data, features=["late"])
    assert stub.asked == [("early", "late")[-pairs:], (), ("late",)]


@pytest.mark.parametrize("name", [n for n in entries("methods") if n not in TWO_STAGES])
def test_other_methods_have_no_teacher_stage(name: str) -> None:
    """Neither the teacher nor the batches are touched."""
    kind = entries("methods")[name].load().kind
    method = build_method(name, PAIRS if kind in ("feature", "both") else (), K)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    learning = [p.requires_grad for p in method.parameters()]
    assert method.teacher_stage() is None
    method.prepare(None, None)
    assert all(torch.equal(v, before[key]) for key, v in method.state_dict().items())
    assert [p.requires_grad for p in method.parameters()] == learning
