"""Lightning callbacks of a training: the history file, warnings of collapse, progress."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lix.methods.parts.base import Method
from lix.runs.history import read_history, write_history


class History(L.Callback):
    """Writes `history.csv`: one row an epoch and quantity, kept whole over resumes.

    `seconds` are those of the training steps, `val_seconds` those of an evaluation.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @rank_zero_only
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Drop rows of epochs that will be trained again."""
        self._rows = [row for row in read_history(self.path) if row[0] < trainer.current_epoch]
        write_history(self.path, self._rows)

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
        write_history(self.path, self._rows)


def _metrics(trainer: L.Trainer) -> dict[str, float]:
    """What was logged in this epoch; Lightning keeps the scores of the last validation."""
    evaluated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
    return {
        name: float(value)
        for name, value in trainer.callback_metrics.items()
        if evaluated or not name.startswith("val_")
    }


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
