"""The command line in this process: its exit code and its last words."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from lix.cli.app import main
from lix.runs.recipe import Recipe
from lix.training.fit import fit

Lix = Callable[..., tuple[int, str]]

SMALL: dict[str, Any] = {
    "data": {"size": [32, 64]},
    "optim": {"batch_size": 4, "lr": 0.02},
    "training": {"epochs": 2, "accelerator": "cpu"},
}


@contextmanager
def files_up_to(kilobytes: int | None) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if kilobytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def lix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lix:
    """Run a command with files up to a size; it must end without a traceback."""

    def run(*words: object, kilobytes: int | None = None) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lix", *map(str, words)])
        capsys.readouterr()
        code = 0
        with files_up_to(kilobytes):
            try:
                main()
            except SystemExit as leave:
                code = int(leave.code or 0)
        said = capsys.readouterr().err.strip()
        assert "Traceback" not in said
        return code, said.splitlines()[-1] if said else ""

    return run


@pytest.fixture(scope="session")
def small_recipe(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "data": {**SMALL["data"], "root": str(streets)}}))
    return path


@pytest.fixture(scope="session")
def student(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "student"
    return fit(Recipe.load(small_recipe).model_copy(update={"output": output}))


@pytest.fixture(scope="session")
def teacher(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "teacher"
    settings = Recipe.load(small_recipe)
    return fit(settings.model_copy(update={"output": output, "role": "teacher"}))
