"""A recipe, and a teacher and a student that the command line has trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.test_cli import lix

SMALL = {
    "data": {"name": "vkitti2", "size": [32, 64]},
    "optim": {"batch_size": 4, "lr": 0.02},
    "training": {"epochs": 1, "accelerator": "cpu"},
}


@pytest.fixture(scope="session")
def recipe(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    settings = {**SMALL, "data": {**SMALL["data"], "root": str(streets)}}
    settings["training"] = {**SMALL["training"], "channels_last": True}
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="session")
def runs(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher and a LIX student."""
    folder = tmp_path_factory.mktemp("runs")
    teacher, student = folder / "teacher", folder / "lix"
    assert lix("train", "-r", recipe, "--role", "teacher", "--output", teacher) == 0
    distilled = ("--method", "lix", "--teacher", teacher, "--output", student)
    assert lix("distill", "-r", recipe, *distilled, "--options.dwld.controller", "budget") == 0
    return folder
