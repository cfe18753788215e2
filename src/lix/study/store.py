"""Finished run folders → one tidy table."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.runs.recipe import Recipe

METRICS = ("mFsc", "fwFsc", "mIoU", "fwIoU")


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    recipe: Recipe
    result: dict[str, Any]
    history: list[tuple[int, str, float]]

    @property
    def method(self) -> str:
        """`teacher`, `none` for the plain student, or the distillation method."""
        if self.recipe.role == "teacher":
            return "teacher"
        return self.recipe.distill.method if self.recipe.distill else "none"

    def curve(self, quantity: str) -> list[tuple[int, float]]:
        """(epoch, value) of one quantity of the history."""
        return [(epoch, value) for epoch, name, value in self.history if name == quantity]

    @property
    def quantities(self) -> list[str]:
        """Names of what the history holds."""
        return sorted({name for _, name, _ in self.history})


def load_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        FileNotFoundError: the run is not finished.
    """
    if not RunFolder(folder).finished:
        raise FileNotFoundError(f"{folder} holds no finished run; finish it with --resume.")
    result = json.loads(RunFolder(folder).result.read_text(encoding="utf-8"))
    recipe = Recipe.load(RunFolder(folder).recipe)
    return Run(folder, recipe, result, read_history(RunFolder(folder).history))


def write_results(runs: Sequence[Run], path: Path) -> None:
    """Write a tidy CSV: network, method, metric, value (a share in [0, 1]), seconds of training.

    Metrics are the paper's four, the pixel accuracy, and `IoU/CLASS` of every class that occurs.
    """
    rows = []
    for run in runs:
        values = {name: run.result[name] for name in (*METRICS, "accuracy")}
        values |= {f"IoU/{c}": v for c, v in run.result["iou"].items() if v is not None}
        seconds = round(run.result["seconds"], 1)
        rows += [(run.recipe.network.name, run.method, m, v, seconds) for m, v in values.items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("network", "method", "metric", "value", "seconds"), *rows])
