"""The end of a run: its result, the table by class, and pictures of both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.console import Console

from lix.core.console import busy, plain, tracked, warn
from lix.core.files import atomic_write, write_text
from lix.evaluation.evaluate import evaluate
from lix.evaluation.metrics import Scores, scores
from lix.evaluation.report import print_scores
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import load_network
from lix.runs.data import evaluation_loader, evenly_spaced
from lix.runs.folder import RunFolder
from lix.runs.history import Row, read_history
from lix.runs.provenance import commit, hardware, peak_memory
from lix.runs.recipe import Recipe
from lix.training.batches import Batches

LAST_EVALUATIONS = 3
"""Evaluations whose mean is shown next to a score that was chosen as the best of many."""


def conclude(recipe: Recipe, batches: Batches, warnings: Sequence[str], console: Console) -> None:
    """Evaluate the weights that the run ends with, and write and print what they are worth.

    `result.json` comes first: a reader or a disk that fails later costs no result.

    Args:
        recipe: settings of the run.
        batches: its data.
        warnings: what was wrong while it trained, for the result.
        console: where the table by class goes.
    """
    run = RunFolder(recipe.output)
    if not recipe.keeps_best:
        with atomic_write(run.best) as unfinished:
            shutil.copyfile(run.last, unfinished)
    network, spec = load_network(run.path)
    loader = evaluation_loader(recipe.data, batches.val, with_x=network.x_channels > 0)
    shown = tracked(loader, "scoring the run", console, len(loader))
    confusion = evaluate(network, shown, accelerator=recipe.training.accelerator)
    result, history = scores(confusion, batches.val.left_out), read_history(run.history)
    stored = {
        **result.as_dict(spec.classes),
        "warnings": list(warnings),
        "kept": "best" if recipe.keeps_best else "last",
        "confusion": confusion.tolist(),
        **_cost(batches, network, history),
    }
    write_text(run.result, json.dumps(stored, indent=1))
    print_scores(result, spec.classes, f"{run} on {len(batches.val)} validation frames", console)
    with busy("drawing", console):
        _draw(recipe, batches, network, history, console)
    sentence = f"{_summary(recipe, result, history)}; result in {run.result}"
    console.print(plain(f"{run}: {sentence}"))


def _cost(batches: Batches, network: SegNetwork, history: Sequence[Row]) -> dict[str, Any]:
    """What the run took, and on what."""
    return {
        "seconds": sum(value for _, name, value in history if name in ("seconds", "val_seconds")),
        "epochs": 1 + max(epoch for epoch, _, _ in history),
        "parameters": sum(p.numel() for p in network.parameters()),
        "steps_per_epoch": batches.steps_per_epoch,
        "peak_memory_mb": round(peak_memory(), 1),
        "commit": commit(),
        "hardware": hardware(),
    }


def _draw(
    recipe: Recipe,
    batches: Batches,
    network: SegNetwork,
    history: Sequence[Row],
    console: Console,
) -> None:
    """Leave curves and pictures in the run's folder; a failure costs a warning."""
    from lix.evaluation.figures import run_curves, save_figure  # Matplotlib takes a second
    from lix.evaluation.pictures import SHOWN, colours, picture_sheet, predictions, read_frame

    run, val = RunFolder(recipe.output), batches.val
    try:
        save_figure(run_curves(history), run.curves)
        frames = (
            read_frame(val, recipe.data, index, with_x=batches.x_in_training)
            for index in evenly_spaced(len(val), SHOWN)
        )
        rows = predictions({"prediction": network}, frames, colours(val))
        save_figure(picture_sheet(rows, val), run.pictures)
    except (OSError, ValueError, MemoryError) as error:
        warn(console, f"the result is written, but not all of its pictures: {error}")


def _summary(recipe: Recipe, result: Scores, history: Sequence[Row]) -> str:
    """The score, how its epoch was chosen, and what a choice of the best makes of it."""
    evaluated = sorted((epoch, value) for epoch, name, value in history if name == "val_mIoU")
    recent = [100 * value for _, value in evaluated[-LAST_EVALUATIONS:]]
    score, mean = f"val mIoU {100 * result.mIoU:.1f} %", ""
    if len(recent) > 1:
        mean = f", mean of the last {len(recent)} evaluations {fmean(recent):.1f} %"
    if not recipe.keeps_best:
        return f"{score} (the last epoch{mean})"
    best = 1 + max(evaluated, key=lambda point: (point[1], -point[0]))[0]
    return (
        f"{score} (epoch {best}, chosen as the best on these frames; last epoch "
        f"{recent[-1]:.1f} %{mean})"
    )
