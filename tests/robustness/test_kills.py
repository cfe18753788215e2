"""A training that is killed again and again ends with the weights of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lix.runs.history import read_history
from lix.runs.recipe import Recipe
from lix.training.fit import fit

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {
    "data": {"size": [32, 64]},
    "optim": {"batch_size": 4, "lr": 0.02, "schedule": "poly"},
}

RUNS = ("undisturbed", "killed")


@pytest.fixture(scope="module")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    training = {"epochs": 2, "accelerator": "cpu"}
    data = {**SMALL["data"], "root": streets}
    output = tmp_path_factory.mktemp("killed") / "teacher"
    settings = SMALL | {"data": data, "training": training, "role": "teacher", "output": output}
    return fit(Recipe.model_validate(settings))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("method", "options", "kills"),
    [("lix", {"dwld": {"controller": "joint", "dropout": 0.3}}, 9), ("ft", {"passes": 3}, 3)],
)
def test_killed_trainings_end_with_the_same_weights(
    method: str, options: dict[str, Any], kills: int, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    def recipe(output: Path) -> Recipe:
        settings = {
            "data": {**SMALL["data"], "root": streets},
            "training": {"epochs": 16, "accelerator": "cpu", "evaluate_every": 2},
            "distill": {"method": method, "teacher": teacher, "options": options},
            "output": output,
        }
        return Recipe.model_validate(SMALL | settings)

    undisturbed = fit(recipe(tmp_path / "undisturbed"))
    recipe(tmp_path / "killed").save(tmp_path / "recipe.yaml")
    command = [Path(__file__).with_name("kill_loop.py"), tmp_path / "recipe.yaml", kills, 7]
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    killed, resumed = map(int, done.stdout.split())
    assert killed >= kills
    assert resumed >= kills // 3
    for name in ("last", "best"):
        expected, actual = (_weights(tmp_path / run, name) for run in RUNS)
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert _losses(tmp_path / "killed") == _losses(undisturbed)
    results = [
        json.loads((tmp_path / r / "result.json").read_text()) for r in ("undisturbed", "killed")
    ]
    assert results[0]["confusion"] == results[1]["confusion"]
    left = [f.name for f in (tmp_path / "killed").rglob("*") if f.name.startswith(".")]
    assert left in ([], [".lock"])


def _weights(run: Path, which: str) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True)["state_dict"]


def _losses(run: Path) -> list[tuple[int, str, float]]:
    return sorted(row for row in read_history(run / "history.csv") if "seconds" not in row[1])
