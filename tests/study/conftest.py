"""Finished studies: one of small numbers, made by hand, and a tiny one that was really run."""

from __future__ import annotations

import csv
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from lix.cli.app import app
from lix.evaluation.metrics import METRICS
from lix.runs.folder import RunFolder
from lix.streets import StreetPlan, write_streets
from lix.study.definition import Study
from lix.study.plan import Job, plan
from lix.study.schedule import run_study

STUDY = Study.model_validate(
    {
        "name": "small",
        "settings": {"training": {"epochs": 4}},
        "data": {"streets": {"root": "a"}},
        "networks": {"mfnet": {}},
        "methods": ["none", {"method": "kd", "label": "KD"}, {"method": "at", "label": "AT"}],
        "seeds": [0, 1, 2],
        "average_last": 2,
        "paper": "I",
    }
)
FINAL = {
    "teacher": [0.70],
    "none": [0.50, 0.51, 0.49],
    "KD": [0.56, 0.572, 0.548],
    "AT": [0.50, 0.53, 0.46],
}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for run in plan(STUDY, tmp_path):
        folder = run.job.recipe.output
        folder.mkdir(parents=True)
        run.job.recipe.save(folder / "recipe.yaml")
        value = FINAL[run.method][run.seed]
        with RunFolder(folder).history.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("epoch", "quantity", "value"))
            for epoch, offset in enumerate((-0.3, -0.2, 0.01, -0.01)):
                for metric in METRICS:
                    writer.writerow((epoch, f"val_{metric}", value + offset))
                writer.writerow(
                    (epoch, "seconds", (9.0, 2.0, 2.0, 3.0)[epoch])
                )  # warms up at first
        result = dict.fromkeys(METRICS, 0.9) | {
            "iou": {"road": 0.5, "car": None},
            "seconds": 8.0,
            "epochs": 4,
            "steps_per_epoch": 10,
            "peak_memory_mb": 100.0,
            "parameters": 7,
            "commit": "abc1234",
            "hardware": "a machine",
        }
        RunFolder(folder).result.write_text(json.dumps(result))
    return tmp_path


@pytest.fixture(scope="session")
def real_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two worlds, a plain student and LIX, one epoch each."""
    root = tmp_path_factory.mktemp("worlds")
    for world in ("town", "highway"):
        plan = StreetPlan(images=6, val_images=2, size=(32, 48), world=world)
        write_streets(root / world, plan, cameras=(0,))
    entries: dict[str, Any] = {
        "name": "real",
        "settings": {"optim": {"batch_size": 2}, "training": {"epochs": 1, "accelerator": "cpu"}},
        "data": {w: {"root": str(root / w), "size": [32, 48]} for w in ("town", "highway")},
        "networks": {"mfnet": {}},
        "methods": ["none", {"method": "lix", "label": "LIX"}],
        "seeds": [0],
        "average_last": 1,
        "cross": "same",
    }
    path = root / "study.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False))
    return Study.load(path)


class Here:
    """A training in this process, which need not import everything again."""

    def __init__(self, job: Job) -> None:
        _, _, *words = job.command()
        with job.folder.log.open("w") as log, redirect_stdout(log), redirect_stderr(log):
            app.meta(words, result_action="return_value")

    def poll(self) -> int:
        return 0

    def terminate(self) -> None: ...

    def wait(self) -> int:
        return 0


@pytest.fixture(scope="session")
def real_output(real_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lix.study.schedule.GpuPool", lambda _: Here)
        patch.setattr("lix.study.schedule.POLL_SECONDS", 0.001)
        assert run_study(real_study, folder, console=Console(quiet=True)) == {}
    return folder
