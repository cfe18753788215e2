"""The commands as functions: `lix.train(...)` does what `lix train` does, with the same names.

Settings are given by section, as in a recipe:
`lix.train(data={"root": "data/streets"}, training={"epochs": 40}, output="runs/student")`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from pydantic import ValidationError
from rich.console import Console

from lix.core.console import warn
from lix.core.json_text import parse_json
from lix.core.registry import merge
from lix.data.memory import Frames
from lix.data.options import as_tuple
from lix.data.splits import Split
from lix.deploy.backend import AUTO, backend, backend_of
from lix.deploy.predictor import Predictor
from lix.deploy.student import Size
from lix.evaluation.metrics import METRICS, Scores
from lix.evaluation.report import evaluate_checkpoint
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import load_network
from lix.runs.folder import RunFolder
from lix.runs.recipe import Recipe, explain_validation
from lix.training.fit import fit

Settings = Recipe | Mapping[str, Any] | str | Path | None
"""A recipe, its sections, or a YAML file of them."""
FRAMES = "frames"
"""Entry of the section `data` for a data set in memory, which no recipe file can have."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished run."""

    path: Path
    """Folder of the run."""

    @cached_property
    def scores(self) -> dict[str, float]:
        """Metrics on the validation frames by name, such as `mIoU`, in [0, 1]."""
        result = parse_json(RunFolder(self.path).result.read_text(encoding="utf-8"))
        return {name: result[name] for name in METRICS}

    @cached_property
    def network(self) -> SegNetwork:
        """The trained network, in evaluation mode, on the CPU."""
        return load_network(self.path)[0]


def train(
    recipe: Settings = None,
    *,
    role: Literal["teacher", "student"] | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    logger: Logger | None = None,
    console: Console | None = None,
    **settings: Any,
) -> TrainedRun:
    """Train a teacher (RGB and X) or a plain student (RGB only) from labels: `lix train`.

    Args:
        recipe: settings; those named here win over it.
        role: what the network sees; default: what the recipe says, else student.
        resume: continue an interrupted run.
        callbacks: Lightning's, next to those of lix.
        logger: Lightning's, in place of TensorBoard.
        console: where progress goes; default: standard error.
        settings: `output` and the sections `data`, `network`, `optim`, `augment`, `training` and
            `unlabelled`, each a mapping. `data` may be a data set in memory (`lix.Frames`), or
            have one as its entry `frames`.

    Raises:
        ValueError, FileNotFoundError: settings or data are wrong.
    """
    given = settings | ({"role": role} if role else {}) | {"distill": None}
    return _fitted(recipe, given, resume, callbacks, logger, console)


def distill(
    recipe: Settings = None,
    *,
    method: str | None = None,
    teacher: str | Path | None = None,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    features: Sequence[str] = (),
    teacher_features: Sequence[str] = (),
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    logger: Logger | None = None,
    console: Console | None = None,
    **settings: Any,
) -> TrainedRun:
    """Train an RGB-only student from labels and from what a teacher knows: `lix distill`.

    Args:
        recipe: settings; those named here win over it.
        method: see `lix list methods`; default: what the recipe says, else `lix`.
        teacher: its run folder or checkpoint.
        preset: named options of the method.
        options: options of the method.
        features, teacher_features: names of the maps that are compared, in the same order.
        resume, callbacks, logger, console, settings: as in `train`.

    Raises:
        ValueError, FileNotFoundError: settings, data or teacher are wrong.
    """
    chosen = {
        "method": method,
        "teacher": teacher,
        "preset": preset,
        "options": options,
        "features": features,
        "teacher_features": teacher_features,
    }
    given = {name: value for name, value in chosen.items() if value not in (None, ())}
    changes = settings | {"distill": given, "role": "student"}
    return _fitted(recipe, changes, resume, callbacks, logger, console)


def evaluate(
    checkpoint: str | Path,
    recipe: Settings = None,
    *,
    split: Split = "val",
    data: Mapping[str, Any] | Frames | None = None,
    common: bool = False,
    leave_out: Sequence[str] = (),
    by: Sequence[str] = (),
    output: str | Path | None = None,
    console: Console | None = None,
) -> Scores:
    """Score a network on a data set: `lix eval`.

    Args:
        checkpoint: run folder or checkpoint.
        recipe: settings whose section `data` counts; default: those of the run.
        split: `train`, `val` or, where the data have one, `test`, which no training opens.
        data: settings of the data, which win, or a data set in memory.
        common: on another data set, score the classes that the network and the data both name.
        leave_out: classes that are not scored: pixels with their label do not count, and no mean
            contains them.
        by: conditions such as `weather`, where the data set says those of its frames: each value
            is scored on its own, too.
        output: JSON file for the scores and the confusion matrix.
        console: where the table goes; default: nowhere.

    Raises:
        ValueError, FileNotFoundError: the checkpoint or the data are wrong.
    """
    saved = RunFolder.of(checkpoint).recipe
    if recipe is None and saved.is_file():
        own = Recipe.load(saved)
        named = None if isinstance(data, Frames) else (data or {}).get("name")
        recipe = saved if named in (None, own.data.name) else own.without_loader_options()
    changes: dict[str, Any] = {FRAMES: data} if isinstance(data, Frames) else dict(data or {})
    if "root" in changes:
        changes.setdefault("val_root", None)
    chosen = _merged(recipe, {"data": changes}).data
    return evaluate_checkpoint(
        Path(checkpoint),
        chosen,
        split=split,
        common=common,
        leave_out=as_tuple(leave_out),
        by=as_tuple(by),
        output=Path(output) if output else None,
        console=console or Console(quiet=True),
    )


def load_student(
    checkpoint: str | Path,
    *,
    size: Size = "train",
    engine: str = AUTO,
    threads: int = 1,
    device: str | torch.device | None = None,
    provider: str | None = None,
) -> Predictor:
    """Open a student to predict pictures; see `lix.deploy.predictor.Predictor`."""
    return Predictor(
        checkpoint, size=size, engine=engine, threads=threads, device=device, provider=provider
    )


def export(checkpoint: str | Path, output: str | Path = "student.onnx") -> Path:
    """Export a student to ONNX, verified against PyTorch, or to safetensors: `lix export`.

    Args:
        checkpoint: run folder, .ckpt or .safetensors file.
        output: file to write, .onnx or .safetensors.

    Raises:
        ValueError: a teacher, or a damaged file.
    """
    output = Path(output)
    (backend_of(output) or backend("onnx")).write(Path(checkpoint), output)
    return output


def report(
    *runs: str | Path, output: str | Path = "report.html", console: Console | None = None
) -> Path:
    """Write one HTML page about runs, which needs no network: `lix report`.

    Runs that differ only in the seed are one row. Pictures need the weights and the validation
    data on this disk; the page says which runs have none.

    Args:
        runs: their folders; runs that are not finished are left out, which the page says.
        output: the file.
        console: where a warning of runs that are left out goes; default: nowhere.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no run is finished.
    """
    from lix.study.loose import read_runs
    from lix.study.page import write_page

    results = read_runs(Path(run) for run in runs)
    write_page(results, Path(output))
    if results.damage and console is not None:
        warn(console, results.damage)
    return Path(output)


def _fitted(
    recipe: Settings,
    changes: Mapping[str, Any],
    resume: bool,
    callbacks: Sequence[Callback],
    logger: Logger | None,
    console: Console | None,
) -> TrainedRun:
    whole = _merged(recipe, changes)
    return TrainedRun(
        fit(whole, resume=resume, console=console, callbacks=callbacks, logger=logger)
    )


def _merged(recipe: Settings, changes: Mapping[str, Any]) -> Recipe:
    """The settings of a recipe and of the call, which win.

    Raises:
        ValueError: a wrong entry; one sentence that names it.
    """
    changes, frames = _without_frames(changes)
    if isinstance(recipe, str | Path):
        whole = Recipe.load(Path(recipe), **changes)
    else:
        given, first = _without_frames(_entries(recipe))
        frames = frames or first
        try:
            whole = Recipe.model_validate(merge(given, changes))
        except ValidationError as error:
            raise ValueError(explain_validation(error)) from None
    if frames is None:
        return whole
    return whole.model_copy(update={"data": whole.data.with_frames(frames)})


def _entries(recipe: Recipe | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if not isinstance(recipe, Recipe):
        return recipe or {}
    entries = recipe.model_dump(exclude_unset=True)
    if recipe.data.frames is not None:
        entries["data"][FRAMES] = recipe.data.frames
    return entries


def _without_frames(settings: Mapping[str, Any]) -> tuple[dict[str, Any], Frames | None]:
    """Settings for a recipe, and the data set in memory among them."""
    data = settings.get("data")
    if isinstance(data, Frames):
        data = {FRAMES: data}
    if not isinstance(data, Mapping) or FRAMES not in data:
        return dict(settings), None
    frames = data[FRAMES]
    if not isinstance(frames, Frames):
        raise ValueError(  # noqa: TRY004 - what the user gave is a wrong value
            f"data.frames is a lix.Frames(train, val, classes), not a {type(frames).__name__}."
        )
    return {**settings, "data": {k: v for k, v in data.items() if k != FRAMES}}, frames
