"""What a person sees while a run trains: a first line, a line an epoch, and a bar in a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lix.core.console import plain
from lix.networks.parts.cost import parameters
from lix.runs.settings import Training
from lix.training.batches import Batches
from lix.training.callbacks import epoch_metrics
from lix.training.module import SegModule

REFRESH = 0.2
"""Seconds between two readings of the loss, for which a GPU has to wait."""


def print_start(module: SegModule, batches: Batches, console: Console) -> None:
    """Print the size of a run: frames, steps, parameters, device and threads."""
    recipe = batches.recipe
    training, per_step = recipe.training, recipe.optim.batch_size * recipe.training.processes
    unlabelled = sum(len(drive.frames) for drive in batches.drives)
    facts = [
        f"{len(batches.train)} training, {len(batches.val)} validation"
        + (f" and {unlabelled} unlabelled" if unlabelled else "")
        + " frames",
        f"{batches.steps_per_epoch} steps an epoch of {per_step} frames",
        f"{parameters(module.network) / 1e6:.2f} M parameters",
        _devices(training),
        f"{training.threads} thread{'s' * (training.threads > 1)}",
    ]
    console.print(plain(f"{recipe.role} {module.spec.name}: {', '.join(facts)}"))
    if not recipe.keeps_best and training.keep == "auto":
        console.print(
            "the last epoch is kept: frames come from another place, where no label may choose one"
        )


def _devices(training: Training) -> str:
    device = None
    if training.accelerator != "cpu":
        device = torch.accelerator.current_accelerator(check_available=True)
    name = device.type if device else "cpu"
    if name == "cuda":
        name = torch.cuda.get_device_name()
    several = f"{training.devices} × {name}" if training.devices > 1 else name
    return f"{training.nodes} machines of {several}" if training.nodes > 1 else several


class EpochLines(L.Callback):
    """Prints a line an epoch."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console, self.epochs = console, epochs
        self.best = 0.0
        """Best validation mIoU so far."""

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = epoch_metrics(trainer)
        line = f"epoch {trainer.current_epoch + 1}/{self.epochs}  loss {now['loss']:.3f}"
        if "val_mIoU" in now:
            self.best = max(self.best, now["val_mIoU"])
            line += f"  val mIoU {100 * now['val_mIoU']:.1f} %  best {100 * self.best:.1f} %"
        self.console.print(line)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class EpochBar(L.Callback):
    """Shows in a terminal how far the epoch is, loss, best score and time to the end.

    Lightning's own bar has a console of its own, counts from 0 and shows the time of an epoch.

    Args:
        console: where `lines` go too, which then stand above the bar.
        lines: knows the best score.
    """

    def __init__(self, console: Console, lines: EpochLines) -> None:
        self.console, self.lines = console, lines
        self._loss, self._read = "", 0.0

    @rank_zero_only
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            console=self.console,
            transient=True,
        )
        self._task = self._progress.add_task("", facts="")
        self._begin(trainer, "", trainer.num_training_batches)
        self._progress.start()

    @rank_zero_only
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begin(trainer, "", trainer.num_training_batches)

    @rank_zero_only
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, idx: int
    ) -> None:
        steps, now = idx + 1, time.monotonic()
        if now - self._read > REFRESH or steps == trainer.num_training_batches:
            self._read = now
            if isinstance(outputs, Mapping):
                loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
                self._loss = f"loss {loss:.3f}"
            epochs = trainer.current_epoch + steps / trainer.num_training_batches
            self._progress.update(self._task, completed=steps, facts=self._facts(epochs))

    @rank_zero_only
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begin(trainer, " validation", sum(map(int, trainer.num_val_batches)))

    @rank_zero_only
    def on_validation_batch_end(self, *_: Any) -> None:
        self._progress.advance(self._task)

    @rank_zero_only
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._progress.stop()

    @rank_zero_only
    def on_exception(self, *_: Any) -> None:
        if hasattr(self, "_progress"):  # else it failed before the first step
            self._progress.stop()

    def _begin(self, trainer: L.Trainer, part: str, total: float) -> None:
        text = f"epoch {trainer.current_epoch + 1}/{self.lines.epochs}{part}"
        self._progress.reset(self._task, total=int(total), description=text)

    def _facts(self, epochs: float) -> str:
        """Loss, best score and the time left if epochs go on as since the start."""
        spent, done = time.monotonic() - self._started, epochs - self._first_epoch
        left = timedelta(seconds=round(spent / done * (self.lines.epochs - epochs)))
        best = f"best {100 * self.lines.best:.1f} %" if self.lines.best else ""
        return "  ".join(filter(None, (self._loss, best, f"{left} left")))
