"""One self-contained HTML file about some finished runs."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from lix import __version__
from lix.core.files import write_text
from lix.runs.data import open_dataset
from lix.runs.provenance import commit
from lix.study.figures import comparison, curves
from lix.study.records import METRICS, Record

PICTURES = 6
"""Frames shown, spread evenly over the validation split."""


def write_report(runs: Sequence[Record], path: Path, *, title: str) -> None:
    """Write tables, curves, monitors and pictures of runs on one data set.

    The file needs no network: styles and pictures are inside.
    """
    recipe = runs[0].recipe
    dataset = open_dataset(recipe.data, "val")
    shown = min(PICTURES, len(dataset))
    indices = [i * len(dataset) // shown for i in range(shown)]
    environment = Environment(
        loader=PackageLoader("lix.study"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html").render(
        title=title,
        recipe=recipe,
        runs=runs,
        metrics=METRICS,
        best=_best(runs),
        classes=dataset.classes,
        palette=dict(zip(dataset.classes, dataset.palette, strict=True)),
        validation_images=len(dataset),
        learning=_learning(runs),
        monitors=[figure for run in runs for figure in _monitors(run)],
        pictures=comparison({run.folder.name: run for run in runs}, dataset, indices),
        origin=_origin(),
    )
    write_text(path, page)


def _best(runs: Sequence[Record]) -> dict[str, float]:
    """The highest value a student reached in each metric; the teacher has more to see."""
    students = [run for run in runs if run.recipe.role == "student"]
    return {metric: max(run.result[metric] for run in students) for metric in METRICS}


def _learning(runs: Sequence[Record]) -> list[dict[str, str]]:
    shown = {"val_mIoU": "validation mIoU", "loss_hard": "cross-entropy in training"}
    return [
        {"title": title, "image": curves({r.folder.name: r.curve(name) for r in runs}, title)}
        for name, title in shown.items()
    ]


def _monitors(run: Record) -> list[dict[str, str]]:
    """Figures of what a method watches: β, CKA, and each term's share of the loss."""
    groups = {
        "β: mean, spread, saturation": "beta_",
        "CKA: recalibrated and raw maps": "cka_",
        "share of the loss: by term": "share_",
    }
    figures = []
    for title, prefix in groups.items():
        names = [name for name in run.quantities if name.startswith(prefix)]
        if len(names) > 1:
            lines = {name.removeprefix(prefix): run.curve(name) for name in names}
            heading = f"{run.folder.name}: {title}"
            figures.append({"title": heading, "image": curves(lines, title.split(":")[0])})
    return figures


def _origin() -> dict[str, Any]:
    """What made the figures."""
    return {
        "version": __version__,
        "commit": commit(),
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
