"""Lightning callbacks of a training: the history file, and warnings of collapse."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lix.core.console import warn
from lix.runs.history import read_history, write_history

MIN_SHARE = 1e-4
"""Share of the loss below which a term teaches nothing."""


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
        values = epoch_metrics(trainer)
        values["lr"] = self._lr
        values["seconds"] = time.perf_counter() - self._started - self._validating
        if self._validating:
            values["val_seconds"] = self._validating
        self._rows += [(trainer.current_epoch, name, value) for name, value in values.items()]
        write_history(self.path, self._rows)


def epoch_metrics(trainer: L.Trainer) -> dict[str, float]:
    """What was logged in this epoch; Lightning keeps the scores of the last validation."""
    evaluated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
    return {
        name: float(value)
        for name, value in trainer.callback_metrics.items()
        if evaluated or not name.startswith("val_")
    }


Diagnosis = Callable[[Mapping[str, float]], Mapping[str, str]]
"""An epoch's means by name → what is wrong, a sentence by topic."""


class Warnings(L.Callback):
    """Warns once of each thing that is wrong, judged by the means over an epoch."""

    def __init__(self, console: Console, *diagnoses: Diagnosis) -> None:
        self.console, self.diagnoses = console, diagnoses
        self.warnings: dict[str, str] = {}
        """Sentences by topic."""

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        means = {name: float(v) for name, v in trainer.callback_metrics.items()}
        for diagnose in self.diagnoses:
            for topic, sentence in diagnose(means).items():
                if topic not in self.warnings:
                    self.warnings[topic] = f"epoch {trainer.current_epoch + 1}: {sentence}"
                    warn(self.console, self.warnings[topic])

    def state_dict(self) -> dict[str, Any]:
        return {"warnings": self.warnings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.warnings = state_dict["warnings"]


def diagnose_shares(epoch_means: Mapping[str, float]) -> dict[str, str]:
    """Loss terms too small to teach anything: topic → a sentence."""
    return {
        name: f"the loss term {name.removeprefix('share_')!r} teaches nothing: it is "
        f"{100 * share:.4f} % of the loss; raise its weight or check what it compares."
        for name, share in epoch_means.items()
        if name.startswith("share_") and abs(share) < MIN_SHARE
    }
