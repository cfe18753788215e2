"""Training from a recipe: teacher, student, distillation, resume, two processes."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.core.files import folder_lock
from lix.core.registry import entries, merge
from lix.runs.checkpoint import load_network
from lix.runs.history import epochs_done, read_history
from lix.runs.recipe import Recipe
from lix.training.fit import fit

SMALL: dict[str, Any] = {
    "data": {"size": [32, 64]},
    "optim": {"batch_size": 4, "lr": 0.02, "schedule": "poly"},
    "training": {"epochs": 2, "accelerator": "cpu"},
}


def recipe(root: Path, output: Path, **settings: Any) -> Recipe:
    return Recipe.model_validate(
        merge(merge(SMALL, {"data": {"root": root}, "output": output}), settings)
    )


def weights(run: Path, which: str = "last") -> dict[str, torch.Tensor]:
    stored = torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True)
    return stored["state_dict"]


def losses(run: Path) -> list[tuple[int, str, float]]:
    return [row for row in read_history(run / "history.csv") if "seconds" not in row[1]]


def test_run_folder_holds_all_that_is_promised(teacher: Path) -> None:
    result = json.loads((teacher / "result.json").read_text())
    assert 0 <= result["mIoU"] <= 1
    assert set(result["iou"]) == set(load_network(teacher)[1].classes)
    assert sum(map(sum, result["confusion"])) > 0
    assert (teacher / "checkpoints" / "last.ckpt").is_file()
    assert list((teacher / "tensorboard").glob("events*"))
    assert Recipe.load(teacher / "recipe.yaml").role == "teacher"
    quantities = {name for _, name, _ in read_history(teacher / "history.csv")}
    assert {
        "loss",
        "loss_hard",
        "val_mIoU",
        "val_mFsc",
        "lr",
        "seconds",
        "val_seconds",
    } <= quantities


def test_best_checkpoint_is_what_the_result_says(teacher: Path) -> None:
    best = max(v for _, name, v in read_history(teacher / "history.csv") if name == "val_mIoU")
    assert json.loads((teacher / "result.json").read_text())["mIoU"] == pytest.approx(best)


@pytest.mark.slow
def test_validation_every_second_epoch_changes_nothing_else(streets: Path, tmp_path: Path) -> None:
    each = fit(recipe(streets, tmp_path / "each", training={"epochs": 4}))
    training = {"epochs": 4, "evaluate_every": 2}
    run = fit(recipe(streets, tmp_path / "second", training=training))
    same, other = (sorted(row for row in losses(r) if row[0] % 2) for r in (each, run))
    assert other == same
    history = read_history(run / "history.csv")
    assert {e for e, name, _ in history if name.startswith("val_")} == {1, 3}
    assert all(v > 0 for _, name, v in history if "seconds" in name)
    spent = sum(v for _, name, v in history if "seconds" in name)
    assert json.loads((run / "result.json").read_text())["seconds"] == pytest.approx(spent)
    assert all(torch.equal(weights(each)[k], v) for k, v in weights(run).items())
    best = max(v for _, name, v in losses(run) if name == "val_mIoU")
    assert json.loads((run / "result.json").read_text())["mIoU"] == pytest.approx(best)
    with pytest.raises(ValueError, match="epochs 3 is not a multiple of"):
        recipe(streets, tmp_path / "third", training={"epochs": 3, "evaluate_every": 2})


@pytest.mark.slow
@pytest.mark.parametrize("method", [m for m in sorted(entries("methods")) if m != "none"])
def test_every_method_trains_a_student(
    method: str, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    before = weights(teacher)
    settings = {
        "distill": {"method": method, "teacher": teacher},
        "training": {"epochs": 1, "channels_last": True},
    }
    run = fit(recipe(streets, tmp_path / "run", **settings))
    assert json.loads((run / "result.json").read_text())["parameters"] < 739_185
    rows = read_history(run / "history.csv")
    shares = [v for _, name, v in rows if name.startswith("share_")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    assert not any("teacher" in key for key in weights(run)), "the teacher is in the checkpoint"
    after = weights(teacher)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_student_never_opens_an_x_file(streets: Path, tmp_path: Path) -> None:
    root = tmp_path / "rgb_only"
    shutil.copytree(streets, root)
    for folder in root.rglob("depth"):
        shutil.rmtree(folder)
    assert fit(recipe(root, tmp_path / "run", training={"epochs": 1}))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["none", "lix"])
def test_resume_continues_to_the_last_bit(
    method: str, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"training": {"epochs": 3}}
    if method != "none":
        options = {"dwld": {"controller": "joint", "dropout": 0.3}}
        settings["distill"] = {"method": method, "teacher": teacher, "options": options}
    undisturbed = fit(recipe(streets, tmp_path / "undisturbed", **settings))
    with pytest.raises(KeyboardInterrupt):
        _fit_until_epoch(1, recipe(streets, tmp_path / "resumed", **settings))
    assert not (tmp_path / "resumed" / "result.json").is_file()
    resumed = fit(recipe(streets, tmp_path / "resumed", **settings), resume=True)
    assert losses(resumed) == losses(undisturbed)
    expected, actual = weights(undisturbed), weights(resumed)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def _fit_until_epoch(epoch: int, interrupted: Recipe) -> None:
    """Interrupt a training in the middle of an epoch, as Ctrl-C does."""
    from lix.training.module import SegModule

    original = SegModule.training_step

    def step(self: SegModule, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epoch and batch_idx == 1:
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegModule, "training_step", step)
        fit(interrupted)


def test_finished_run_is_left_as_it_is(streets: Path, teacher: Path) -> None:
    before = (teacher / "result.json").stat().st_mtime_ns
    fit(recipe(streets, teacher, role="teacher"), resume=True)
    assert (teacher / "result.json").stat().st_mtime_ns == before


def test_infinite_loss_names_the_term_and_the_images(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    settings = {
        "distill": {"method": "kd", "teacher": teacher, "options": {"weight": float("inf")}}
    }
    with pytest.raises(ArithmeticError, match=r"term 'kd' became inf .* Scene"):
        fit(recipe(streets, tmp_path / "run", **settings))


def test_two_processes_do_not_train_one_run(streets: Path, tmp_path: Path) -> None:
    once = recipe(streets, tmp_path / "run", training={"epochs": 1})
    with (
        folder_lock(tmp_path / "run"),
        pytest.raises(ValueError, match="Another process trains in"),
    ):
        fit(once)
    assert [p.name for p in (tmp_path / "run").iterdir()] == [".lock"]
    assert fit(once)


def test_accumulation_takes_as_many_updates(streets: Path, tmp_path: Path) -> None:
    settings = {"optim": {"batch_size": 2, "accumulate": 4}, "training": {"epochs": 1}}
    run = fit(recipe(streets, tmp_path / "run", **settings))
    stored = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert stored["global_step"] == 2


def test_bf16_mixed_trains(streets: Path, teacher: Path, tmp_path: Path) -> None:
    settings = {
        "training": {"epochs": 1, "precision": "bf16-mixed"},
        "distill": {"method": "lix", "teacher": teacher},
    }
    assert fit(recipe(streets, tmp_path / "run", **settings))


def test_early_stopping_and_the_line_an_epoch(streets: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    settings = {"optim": {"lr": 1e-12}, "training": {"epochs": 9, "patience": 1}}
    console = Console(file=stream, width=200)
    run = fit(recipe(streets, tmp_path / "run", **settings), console=console)
    epochs = json.loads((run / "result.json").read_text())["epochs"]
    assert epochs < 9
    assert stream.getvalue().count("val mIoU") == epochs + 1


def test_rgb_teacher_needs_no_x(streets: Path, tmp_path: Path) -> None:
    root = tmp_path / "rgb_only"
    shutil.copytree(streets, root)
    for folder in root.rglob("depth"):
        shutil.rmtree(folder)
    big = fit(recipe(root, tmp_path / "big", training={"epochs": 1}))
    distilled = {"distill": {"method": "lix", "teacher": big}, "training": {"epochs": 1}}
    assert fit(recipe(root, tmp_path / "small", **distilled))


@pytest.mark.slow
def test_frozen_foundation_model_teaches(streets: Path, tmp_path: Path) -> None:
    import timm

    donor, file = timm.create_model("test_vit", num_classes=0), tmp_path / "vit.pth"
    torch.save(donor.state_dict(), file)
    options = {"backbone": "test_vit", "frozen": True, "x_backbone": "test_resnet"}
    named = {"name": "timm", "options": options | {"weights": str(file)}}
    training = {"epochs": 1}
    settings = {"role": "teacher", "network": named, "training": training}
    run = fit(recipe(streets, tmp_path / "teacher", **settings))
    file.unlink()
    network, spec = load_network(run)
    assert spec.options == options
    stored = network.state_dict()
    for name, value in donor.state_dict().items():
        if not name.startswith("norm."):  # the blocks are read before it
            assert torch.equal(stored[f"backbone.trunk.model.{name}"], value)
    states = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["optimizer_states"]
    trained = sum(len(group["params"]) for group in states[0]["param_groups"])
    assert trained == sum(not n.startswith("backbone.") for n, _ in network.named_parameters())
    distilled = {"distill": {"method": "lix", "teacher": run}, "training": training}
    assert fit(recipe(streets, tmp_path / "student", **distilled))


def test_the_epochs_of_a_history_are_those_of_its_last_row(teacher: Path, tmp_path: Path) -> None:
    history = teacher / "history.csv"
    assert epochs_done(history) == len({epoch for epoch, _, _ in read_history(history)}) > 0
    empty = tmp_path / "history.csv"
    assert epochs_done(empty) == 0
    empty.write_text("epoch,quantity,value\n")
    assert epochs_done(empty) == 0


def test_history_has_the_learning_rate_that_was_used(teacher: Path) -> None:
    rates = [v for _, name, v in read_history(teacher / "history.csv") if name == "lr"]
    assert rates[0] == 0.02
    assert 0 < rates[1] < 0.02
