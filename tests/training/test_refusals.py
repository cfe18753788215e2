"""What a training refuses or warns of before its first step."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.runs.recipe import Recipe
from lix.training.fit import RANKS, fit
from tests.training.test_fit import recipe


def test_teacher_with_other_classes_is_refused(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.ckpt"
    stored = torch.load(teacher / "checkpoints" / "best.ckpt", weights_only=True)
    stored["lix"]["classes"] = ["Sofa", *stored["lix"]["classes"][1:]]
    del stored["lix_checksum"]  # as a file that another tool wrote
    torch.save(stored, foreign)
    settings = {"distill": {"method": "kd", "teacher": foreign}}
    with pytest.raises(ValueError, match="only the teacher: Sofa, only the data: Terrain"):
        fit(recipe(streets, tmp_path / "run", **settings))
    assert not (tmp_path / "run" / "recipe.yaml").exists()


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("classes", "reversed", "has the same classes as the student's data in another order"),
        ("x_spans", [[0.4, 2.0]], r"X in the range 0\.4 to 2, but this data set .* the default"),
    ],
)
def test_teacher_that_saw_other_data_is_refused(
    streets: Path, teacher: Path, tmp_path: Path, entry: str, value: Any, message: str
) -> None:
    foreign = tmp_path / "foreign.ckpt"
    stored = torch.load(teacher / "checkpoints" / "best.ckpt", weights_only=True)
    stored["lix"][entry] = stored["lix"][entry][::-1] if value == "reversed" else value
    del stored["lix_checksum"]
    torch.save(stored, foreign)
    with pytest.raises(ValueError, match=message):
        fit(recipe(streets, tmp_path / "run", distill={"method": "kd", "teacher": foreign}))


def test_missing_teacher_is_one_sentence(streets: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name its run folder with --teacher"):
        fit(recipe(streets, tmp_path / "run", distill={"method": "kd"}))


def test_unknown_features_are_named(streets: Path, teacher: Path, tmp_path: Path) -> None:
    settings = {"distill": {"method": "arfd", "teacher": teacher, "features": ["enc9"]}}
    with pytest.raises(ValueError, match="student has no feature 'enc9'"):
        fit(recipe(streets, tmp_path / "run", **settings))


def test_resume_of_another_kind_of_run_is_refused(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    run = fit(recipe(streets, tmp_path / "run", training={"epochs": 1}))
    other = {"distill": {"method": "kd", "teacher": teacher}, "training": {"epochs": 1}}
    with pytest.raises(ValueError, match=r"other settings \(distill"):
        fit(recipe(streets, run, **other), resume=True)


def test_frozen_backbone_needs_weights(streets: Path, tmp_path: Path) -> None:
    network = {"name": "timm", "options": {"backbone": "test_vit", "frozen": True}}
    with pytest.raises(ValueError, match=r"stays random; .*--network\.options\.weights"):
        fit(recipe(streets, tmp_path / "run", network=network))


def test_same_frames_in_both_splits_are_said(streets: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    settings = {"data": {"options": {"lists": "all"}}, "training": {"epochs": 1}}
    fit(recipe(streets, tmp_path / "run", **settings), console=Console(file=stream, width=200))
    assert "24 frames have the same id in training and validation" in stream.getvalue()


def test_a_precision_that_this_cpu_lacks(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_precision(name: str) -> Recipe:
        return recipe(streets, tmp_path / name, training={"epochs": 1, "precision": name})

    with pytest.raises(ValueError, match="16-mixed needs a GPU; choose 32-true"):
        fit(with_precision("16-mixed"))
    monkeypatch.setattr("lix.training.fit._has_bfloat16", lambda: False)
    stream = io.StringIO()
    fit(with_precision("bf16-mixed"), console=Console(file=stream, width=200))
    assert "computes bfloat16 in software, which is slow" in stream.getvalue()


def test_shared_batch_norm_needs_gpus(streets: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "sync_batchnorm": True}
    assert fit(recipe(streets, tmp_path / "alone", training=training))
    two = recipe(streets, tmp_path / "two", training=training | {"devices": 2})
    with pytest.raises(ValueError, match="sync_batchnorm needs GPUs"):
        fit(two)


def test_several_machines_need_what_starts_them(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    two = recipe(streets, tmp_path / "two", training={"nodes": 2})
    assert two.steps_per_epoch(16) == recipe(streets, tmp_path / "one").steps_per_epoch(16) // 2
    with pytest.raises(ValueError, match="start it on each with torchrun or srun"):
        fit(two)


def test_folder_with_a_run_needs_resume(streets: Path, teacher: Path) -> None:
    with pytest.raises(ValueError, match="already holds a run; continue it with --resume"):
        fit(recipe(streets, teacher, role="teacher"))


def test_resume_with_other_settings_is_refused(streets: Path, teacher: Path) -> None:
    with pytest.raises(ValueError, match=r"other settings \(optim.lr\)"):
        fit(recipe(streets, teacher, role="teacher", optim={"lr": 0.5}), resume=True)
