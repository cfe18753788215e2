"""The recipes for GPUs, two steps each on small files in the real layout."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import lix
from lix.runs.checkpoint import load_network
from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.runs.recipe import Recipe

pytestmark = pytest.mark.slow
SMALL: dict[str, Any] = {
    "network": {"options": {"backbone": "test_resnet"}},
    "optim": {"batch_size": 1, "accumulate": 1, "warmup": 0},
    "training": {
        "epochs": 1,
        "patience": 1,
        "evaluate_every": 1,
        "accelerator": "cpu",
        "precision": "32-true",
        "workers": 0,
    },
}
"""What keeps a step of these recipes short; the rest is theirs."""
DRIVES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "deliver": ({"weathers": ["cloud", "rain"]}, {"parts": "train", "weathers": "night"}),
    "muses": ({}, {"parts": "test"}),
}
"""Recipe → options of its labelled and of its unlabelled frames, as its first lines say."""


@pytest.mark.parametrize("name", DRIVES)
def test_a_recipe_trains_a_teacher_and_a_student_with_drives(name: str, tmp_path: Path) -> None:
    root = import_module(f"tests.data.sets.test_{name}").CASE.make(tmp_path / "data")
    recipe = Recipe.load(Path(f"recipes/{name}.yaml"))
    labelled, drive = DRIVES[name]
    modalities = recipe.data.options["modalities"]
    settings: dict[str, Any] = {
        **SMALL,
        "data": {"root": root, "size": [64, 128], "train": labelled},
        "augment": {"crop": [64, 64] if recipe.augment.crop else None},
        "console": Console(quiet=True),
    }
    file = f"recipes/{name}.yaml"
    teacher = lix.train(file, role="teacher", output=tmp_path / "teacher", **settings)
    assert load_network(teacher.path)[0].x_channels == {"deliver": 9, "muses": 4}[name]
    student = lix.distill(
        file,
        method="dwld",
        teacher=teacher.path,
        unlabelled={"root": root, "options": {**drive, "modalities": modalities}},
        output=tmp_path / "drives",
        **settings,
    )
    assert load_network(student.path)[0].x_channels == 0
    history = {key for _, key, _ in read_history(RunFolder(student.path).history)}
    assert "confidence_unlabelled" in history
    by = lix.evaluate(student.path, by="weather").by["weather"]
    assert {value: part.images for value, part in by.items()} == {
        "deliver": {"fog": 1},
        "muses": {"snow": 1},
    }[name]
