"""What happens beside the training steps: the history file, warnings, progress."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lix.core.files import atomic_write
from lix.methods.parts.base import Method


class History(L.Callback):
    """Writes `history.csv`: one row an epoch and quantity, kept whole over resumes.

    `seconds` are those of the training steps, `val_seconds` those of an evaluation.
    """

    HEADER = ("epoch", "quantity", "value")

    def __init__(self, path: Path) -> None:
        self.path = path

    @rank_zero_only
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Drop rows of epochs that will be trained again."""
        self._rows = [row for row in read_history(self.path) if row[0] < trainer.current_epoch]
        self._write()

    @rank_zero_only
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started, self._validating = time.perf_counter(), 0.0
        self._lr = trainer.optimizers[0].param_groups[0]["lr"]

    @rank_zero_only
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validating -= time.perf_counter()

    @rank_zero_only
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validating += time.perf_counter()

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        values = _metrics(trainer)
        values["lr"] = self._lr
        values["seconds"] = time.perf_counter() - self._started - self._validating
        if self._validating:
            values["val_seconds"] = self._validating
        self._rows += [(trainer.current_epoch, name, value) for name, value in values.items()]
        self._write()

    def _write(self) -> None:
        """The whole file anew, so that a kill never leaves half a row."""
        with atomic_write(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.HEADER, *self._rows])


def _metrics(trainer: L.Trainer) -> dict[str, float]:
    """What was logged in this epoch; Lightning keeps the scores of the last validation."""
    evaluated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
    return {
        name: float(value)
        for name, value in trainer.callback_metrics.items()
        if evaluated or not name.startswith("val_")
    }


def read_history(path: Path) -> list[tuple[int, str, float]]:
    """Rows (epoch, quantity, value) of a `history.csv`; none if there is no file yet."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            (int(row["epoch"]), row["quantity"], float(row["value"]))
            for row in csv.DictReader(file)
        ]


def epochs_trained(path: Path) -> int:
    """Epochs in a `history.csv`, by its last row: a study asks it of every run twice a second."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 256))
        epoch = file.read().rstrip().rpartition(b"\n")[2].partition(b",")[0]
    return int(epoch) + 1 if epoch.isdigit() else 0


class Patience(EarlyStopping):
    """Stops early, but does not count epochs in which the labels are not trained on purpose."""

    def _should_skip_check(self, trainer: L.Trainer) -> bool:
        method = getattr(trainer.lightning_module, "method", None)
        unlabelled = method is not None and "hard" in method.idle
        return unlabelled or super()._should_skip_check(trainer)


class CollapseWarnings(L.Callback):
    """Says once what has collapsed, by the method's own diagnosis and by the loss shares."""

    LEAST_SHARE = 1e-4

    def __init__(self, method: Method, console: Console) -> None:
        self.method, self.console = method, console
        self.said: dict[str, str] = {}
        """Sentences by topic."""

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        means = {name: float(v) for name, v in trainer.callback_metrics.items()}
        for sentence in [*self._idle_terms(means), *self.method.diagnose(means)]:
            topic = sentence.split(":")[0]
            if topic not in self.said:
                self.said[topic] = f"epoch {trainer.current_epoch + 1}: {sentence}"
                self.console.print(f"[yellow]warning:[/] {self.said[topic]}")

    def state_dict(self) -> dict[str, Any]:
        return {"said": self.said}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.said = state_dict["said"]

    def _idle_terms(self, means: dict[str, float]) -> list[str]:
        return [
            f"the loss term {name.removeprefix('share_')!r} teaches nothing: it is "
            f"{100 * share:.4f} % of the loss; raise its weight or check what it compares."
            for name, share in means.items()
            if name.startswith("share_")
            and abs(share) < self.LEAST_SHARE
            and name.removeprefix("share_") not in self.method.idle
        ]


class EpochLines(L.Callback):
    """Prints a line an epoch."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console, self.epochs = console, epochs
        self._best = 0.0

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = _metrics(trainer)
        line = f"epoch {trainer.current_epoch + 1}/{self.epochs}  loss {now['loss']:.3f}"
        if "val_mIoU" in now:
            self._best = max(self._best, now["val_mIoU"])
            line += f"  val mIoU {100 * now['val_mIoU']:.1f} %  best {100 * self._best:.1f} %"
        self.console.print(line)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]
