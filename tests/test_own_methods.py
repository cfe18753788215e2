"""The methods of `examples/own_methods`: what their losses mean, and a training with one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

import lix
from lix import SegOutput
from lix.methods import FeaturePair
from lix.networks import FeatureSpec

EXAMPLES = Path(__file__).parent.parent / "examples"
PAIR = FeaturePair(FeatureSpec(4, 4), FeatureSpec(3, 4))
pytestmark = pytest.mark.filterwarnings("ignore:The number of training batches")


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("LIX_ALLOW_CODE", "1")


def outputs() -> tuple[SegOutput, SegOutput, Tensor]:
    student = SegOutput(
        torch.randn(2, 5, 16, 24, requires_grad=True),
        {"m": torch.randn(2, 4, 4, 6, requires_grad=True)},
    )
    teacher = SegOutput(3 * torch.randn(2, 5, 16, 24), {"m": torch.randn(2, 3, 4, 6)})
    target = torch.randint(0, 5, (2, 16, 24))
    target[:, :6] = 255
    return student, teacher, target


@pytest.mark.parametrize("name", ["StageScores", "Predictable", "PredictX"])
def test_both_terms_teach_the_student(name: str) -> None:
    student, teacher, target = outputs()
    x = torch.rand(2, 1, 16, 24)
    x[:, :, :4] = 0  # invalid
    method = lix.build_method(f"own_methods:{name}", [PAIR], 5)
    sum(method(student, teacher, target, x=x).values()).backward()
    assert student.logits.grad.abs().sum() > 0
    assert student.features["m"].grad.abs().sum() > 0
    assert student.features["m"].grad[:, :, 0].abs().sum() == 0, "this row is ignored"


def test_stage_scores_are_the_teachers_mean_probabilities() -> None:
    student, teacher, target = outputs()
    method = lix.build_method("own_methods:StageScores", [PAIR], 5)
    valid = (target != 255).unsqueeze(1).expand(-1, 5, -1, -1)
    blocks = teacher.logits.softmax(1).where(valid, torch.nan)
    blocks = blocks.unflatten(2, (4, 4)).unflatten(4, (6, 4))
    mean = blocks.nanmean(dim=(3, 5)).nan_to_num(1)
    head = torch.nn.Conv2d(5, 5, 1)
    head.weight.data, head.bias.data = torch.eye(5)[:, :, None, None], torch.zeros(5)
    method.heads[0] = head
    same = SegOutput(student.logits, {"m": torch.randn(2, 4, 4, 6)})
    method.heads[0].forward = lambda _: mean.log()
    assert method(same, teacher, target)["stages"].item() == pytest.approx(0, abs=1e-6)


def test_only_what_the_student_can_know_counts() -> None:
    torch.manual_seed(0)
    method = lix.build_method("own_methods:Predictable", [PAIR], 5)
    student, teacher, target = outputs()
    known = student.features["m"].detach()[:, :1] * 2 + 1
    mixed = torch.cat([known, teacher.features["m"][:, :1], torch.ones_like(known)], dim=1)
    maps = next(method.compared(student, SegOutput(teacher.logits, {"m": mixed}), target))
    r2, variance = method._predictability(maps)
    assert r2[0] > 0.95
    assert r2[1] < 0.5
    assert r2[2] == 0
    assert variance[0] > 1


def test_x_is_predicted_as_its_mean_where_it_is_valid() -> None:
    student, teacher, target = outputs()
    x = torch.rand(2, 1, 16, 24) + 0.1
    x[:, :, ::2] = 0  # half of each block
    mean = x[:, :, 1::2].unflatten(2, (4, 2)).unflatten(4, (6, 4)).mean(dim=(3, 5))
    method = lix.build_method("own_methods:PredictX", [PAIR], 5)
    method.heads[0].forward = lambda _: mean + 0.25
    assert method(student, teacher, target, x=x)["x"].item() == pytest.approx(0.25)
    with pytest.raises(ValueError, match="PredictX learns from X"):
        method(student, teacher, target)


@pytest.mark.parametrize("name", ["StageScores", "PredictX"])
def test_lix_trains_with_them(streets: Path, tmp_path: Path, name: str) -> None:
    settings = {"data": {"root": streets, "size": (32, 64)}, "training": {"epochs": 1}}
    quiet = Console(quiet=True)
    teacher = lix.train(settings, role="teacher", output=tmp_path / "teacher", console=quiet)
    chosen = {"method": f"own_methods:{name}", "features": ["enc4", "enc5"]}
    run = lix.distill(
        settings | {"distill": chosen},
        teacher=teacher.path,
        output=tmp_path / "run",
        console=quiet,
    )
    assert 0 < run.scores["mIoU"] < 1
