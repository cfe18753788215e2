"""Trainings with unlabelled frames: what is learnt, kept, refused and said."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.core.registry import entries
from lix.evaluation.report import evaluate_checkpoint
from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.runs.settings import Data
from lix.streets import StreetPlan, write_streets
from lix.training.build import build
from lix.training.fit import fit
from tests.training.test_fit import recipe, weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "teacher"
    return fit(recipe(streets, output, role="teacher", training={"epochs": 1}))


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Streets of another place without their labels."""
    root = tmp_path_factory.mktemp("drive")
    write_streets(root, StreetPlan(10, (48, 96), 500, "highway", 1), cameras=(0,))
    for labels in root.rglob("classSegmentation"):
        shutil.rmtree(labels)
    return root


def settings(teacher: Path, drive: Path, **changes: Any) -> dict[str, Any]:
    distill = {"method": "dwld", "teacher": teacher}
    return {"distill": distill, "unlabelled": {"root": drive}} | changes


def train(root: Path, output: Path, **changes: Any) -> tuple[Path, str]:
    told = io.StringIO()
    return fit(
        recipe(root, output, **changes), console=Console(file=told, width=500)
    ), told.getvalue()


def test_a_drive_joins_every_batch_and_its_last_epoch_is_kept(
    streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    run, told = train(streets, tmp_path / "run", **settings(teacher, drive))
    epochs: dict[str, list[int]] = {}
    for epoch, name, _ in read_history(RunFolder(run).history):
        epochs.setdefault(name, []).append(epoch)
    for name in ("confidence_labelled", "confidence_unlabelled", "agreement_unlabelled"):
        assert epochs[name] == epochs["loss"] == [0, 1]
    assert epochs["teacher_unlabelled_Road"] == epochs["labels_Road"] == [0, 1]
    assert "the last epoch is kept: frames come from another place" in told
    assert "(the last epoch" in told
    assert json.loads(RunFolder(run).result.read_text())["kept"] == "last"
    kept, last = weights(run, "best"), weights(run, "last")
    assert all(torch.equal(kept[name], last[name]) for name in last)


def test_frames_of_the_same_place_let_validation_choose(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    more = settings(teacher, streets)
    more["unlabelled"] = {"root": streets, "options": {"lists": streets}}
    run, told = train(streets, tmp_path / "run", **more)
    assert "chosen as the best on these frames" in told
    assert json.loads(RunFolder(run).result.read_text())["kept"] == "best"


def test_what_is_wrong_with_a_drive_is_said_in_the_first_epoch(
    streets: Path,
    teacher: Path,
    drive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lix.training.drive_statistics.FOREIGN", 2.0)
    more = settings(teacher, drive, training={"epochs": 1})
    _, told = train(streets, tmp_path / "run", **more)
    assert "epoch 1: the unlabelled frames look foreign to the teacher" in told
    assert "epoch 1: the teacher finds no " in told, "one epoch of training finds few classes"


def test_a_score_on_the_drive_itself_is_too_good(
    streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    labelled = tmp_path / "place"
    write_streets(labelled, StreetPlan(10, (48, 96), 500, "highway", 6), cameras=(0,))
    run, _ = train(streets, tmp_path / "run", **settings(teacher, drive, training={"epochs": 1}))
    for root, warned in ((labelled, True), (streets, False)):
        told = io.StringIO()
        console = Console(file=told, width=500)
        evaluate_checkpoint(run, Data(root=root, size=(32, 64)), console=console)
        sentence = "6 unlabelled frames that the run learned from are frames of this evaluation"
        assert (sentence in told.getvalue()) == warned


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_to_the_last_bit(
    workers: int, streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    more = settings(teacher, drive, data={"cache": tmp_path / "cache"})
    more["optim"] = {"schedule": "constant"}
    whole = fit(recipe(streets, tmp_path / "whole", training={"epochs": 3}, **more))
    more["training"] = {"epochs": 2, "workers": workers}
    fit(recipe(streets, tmp_path / "cut", **more))
    RunFolder(tmp_path / "cut").result.unlink()
    more["training"]["epochs"] = 3
    resumed = fit(recipe(streets, tmp_path / "cut", **more), resume=True)
    expected, actual = weights(whole), weights(resumed)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_damaged_unlabelled_frames_may_be_left_out(
    streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "drive"
    shutil.copytree(drive, damaged)
    next(damaged.rglob("rgb_*.jpg")).write_bytes(b"no image")
    more = settings(teacher, damaged)
    with pytest.raises(ValueError, match="rgb_"):
        build(recipe(streets, tmp_path / "run", **more), Console(quiet=True))
    more["data"] = {"skip_damaged": True}
    _, batches = build(recipe(streets, tmp_path / "run", **more), Console(quiet=True))
    assert len(batches.drives[0].frames) == 9


def test_validation_frames_among_the_unlabelled_are_refused(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    more = settings(teacher, streets)
    with pytest.raises(ValueError, match=r"8 unlabelled frames .* are validation frames \(.* = "):
        build(recipe(streets, tmp_path / "run", **more), Console(quiet=True))


def test_a_plain_student_may_learn_a_networks_classes(
    streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    unlabelled = {"root": drive, "teacher": teacher}
    run, _ = train(streets, tmp_path / "run", unlabelled=unlabelled, training={"epochs": 1})
    assert {"loss_hard", "loss_pseudo"} <= {n for _, n, _ in read_history(RunFolder(run).history)}


def test_a_teacher_may_learn_from_a_first_teacher(
    streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    more = {"unlabelled": {"root": drive, "teacher": teacher}, "training": {"epochs": 1}}
    run, _ = train(streets, tmp_path / "run", role="teacher", **more)
    assert "loss_pseudo" in {name for _, name, _ in read_history(RunFolder(run).history)}


def test_without_a_teacher_unlabelled_frames_are_refused(
    streets: Path, drive: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="teach nothing without a teacher"):
        build(recipe(streets, tmp_path / "run", unlabelled={"root": drive}), Console(quiet=True))


def test_an_rgb_teacher_is_called_self_training_and_no_x_is_opened(
    streets: Path, drive: Path, tmp_path: Path
) -> None:
    plain, _ = train(streets, tmp_path / "plain", training={"epochs": 1})
    for source in (streets, drive):
        shutil.copytree(source, tmp_path / source.name)
        for depth in (tmp_path / source.name).rglob("depth"):
            shutil.rmtree(depth)
    more = settings(plain, tmp_path / drive.name, training={"epochs": 1})
    _, told = train(tmp_path / streets.name, tmp_path / "run", **more)
    assert "this is self-training" in told
    told = io.StringIO()
    alone = recipe(streets, tmp_path / "labels", distill={"method": "kd", "teacher": plain})
    build(alone, Console(file=told, width=500))
    assert "The teacher sees only RGB: this is compression" in told.getvalue()


def test_the_maps_that_are_compared_are_said(streets: Path, teacher: Path, tmp_path: Path) -> None:
    told = io.StringIO()
    features = recipe(streets, tmp_path / "run", distill={"method": "at", "teacher": teacher})
    build(features, Console(file=told, width=500))
    assert "student – teacher: enc2 – enc2, enc3 – enc3" in told.getvalue()


def test_a_second_teacher_is_refused(streets: Path, teacher: Path, tmp_path: Path) -> None:
    unlabelled = {"root": streets, "teacher": teacher}
    with pytest.raises(ValueError, match="the distillation has a teacher; leave it out"):
        recipe(streets, tmp_path / "run", **settings(teacher, streets, unlabelled=unlabelled))


def test_labels_of_the_drive_are_the_ceiling(
    streets: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    root = tmp_path_factory.mktemp("labelled")
    write_streets(root, StreetPlan(10, (48, 96), 700, "highway", 1), cameras=(0,))
    more = {"unlabelled": {"root": root, "truth": True}, "training": {"epochs": 1}}
    module, batches = build(recipe(streets, tmp_path / "run", **more), Console(quiet=True))
    assert len(batches.drives[0].frames) == 10, "all frames of the drive"
    assert module.teacher is None
    run, _ = train(streets, tmp_path / "run", **more)
    assert {n for _, n, _ in read_history(RunFolder(run).history) if n.startswith("loss_")} == {
        "loss_hard"
    }


@pytest.mark.parametrize("method", ["ft", "maskd"])
def test_the_teacher_stage_sees_the_drive_too(
    method: str, streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    distill = {"method": method, "teacher": teacher, "options": {"passes": 1}}
    stages = []
    for number in range(2):
        more = settings(teacher, drive, distill=distill, training={"epochs": 1})
        more["unlabelled"]["min_confidence"] = float(number)  # the stage takes all pixels
        run, told = train(streets, tmp_path / f"run{number}", **more)
        assert "teacher stage, epoch 1/1" in told
        stages.append(torch.load(RunFolder(run).teacher_stage, weights_only=True)["part"])
    assert all(torch.equal(stages[0][key], stages[1][key]) for key in stages[0])
    more = {"distill": distill, "training": {"epochs": 1}}
    run, _ = train(streets, tmp_path / "labels", **more)
    labels = torch.load(RunFolder(run).teacher_stage, weights_only=True)["part"]
    assert any(not torch.equal(labels[key], stages[0][key]) for key in labels)


METHODS = [name for name in entries("methods") if name != "none"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_from_an_unlabelled_batch(
    method: str, streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    """The gradient with nothing but unlabelled frames, and the void pixels of labelled ones."""
    more = settings(teacher, drive, distill={"method": method, "teacher": teacher})
    module, batches = build(recipe(streets, tmp_path / "run", **more), Console(quiet=True))
    batch = next(iter(batches.train_dataloader()))
    batch["target"][:] = 255
    batch["valid"] &= ~batch["labelled"].view(-1, 1, 1)
    terms = module.losses(batch)
    torch.stack(list(terms.values())).sum().backward()
    assert terms["hard"] == 0
    assert any(p.grad is not None and p.grad.any() for p in module.network.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_void_pixels_of_labelled_frames_teach_nothing(
    method: str, streets: Path, teacher: Path, drive: Path, tmp_path: Path
) -> None:
    """Whatever the teacher says there."""
    more = settings(teacher, drive, distill={"method": method, "teacher": teacher})
    module, batches = build(recipe(streets, tmp_path / "run", **more), Console(quiet=True))
    batch = next(iter(batches.train_dataloader()))
    batch["target"][:, :16] = 255
    void = batch["labelled"].view(-1, 1, 1) & (batch["target"] == 255)
    batch["valid"] &= ~void
    losses = []
    for mistake in (0.0, 50.0):

        def hook(teacher: Any, given: Any, out: Any, _mistake: float = mistake) -> None:
            out.logits[:, 3] += _mistake * void
            for maps in out.features.values():  # the upper half of labelled frames is void
                maps[batch["labelled"], :, : maps.shape[2] // 2] += _mistake

        handle = module.teacher.register_forward_hook(hook)
        torch.manual_seed(0)
        module.network.eval()
        losses.append(torch.stack(list(module.losses(batch).values())).sum())
        handle.remove()
    assert torch.equal(losses[0], losses[1])


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_of_labelled_frames_costs_the_same_to_the_last_bit(
    method: str, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    """With or without what batches with unlabelled frames have next to images and labels."""
    distill = {"method": method, "teacher": teacher}
    module, batches = build(recipe(streets, tmp_path / "run", distill=distill), Console(quiet=True))
    batch = next(iter(batches.train_dataloader()))
    module.network.eval()
    terms = []
    more = {"valid": batch["target"] != 255, "labelled": torch.ones(4, dtype=torch.bool)}
    for given in (batch, batch | more):
        torch.manual_seed(0)
        terms.append(module.losses(given))
    assert all(torch.equal(terms[0][name], terms[1][name]) for name in terms[0])
