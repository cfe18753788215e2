"""A finished study of small numbers, made by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from lix.study.grid import Study, plan
from lix.study.store import METRICS
from lix.training.run import HISTORY, RESULT

STUDY = Study.model_validate(
    {
        "name": "small",
        "settings": {"training": {"epochs": 4}},
        "data": {"streets": {"root": "a"}},
        "networks": {"mfnet": {}},
        "methods": ["none", {"method": "kd", "label": "KD"}, {"method": "at", "label": "AT"}],
        "seeds": [0, 1, 2],
        "last": 2,
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
        with (folder / HISTORY).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("epoch", "quantity", "value"))
            for epoch, offset in enumerate((-0.3, -0.2, 0.01, -0.01)):
                for metric in METRICS:
                    writer.writerow((epoch, f"val_{metric}", value + offset))
                writer.writerow((epoch, "seconds", 2.0))
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
        (folder / RESULT).write_text(json.dumps(result))
    return tmp_path
