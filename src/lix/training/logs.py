"""Lightning's loggers, and what they get beyond Lightning's means: rate, IoU by class, pictures."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import lightning as L
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread

from lix.core.errors import DataError, require
from lix.runs.data import evenly_spaced
from lix.runs.folder import RunFolder
from lix.runs.identity import run_id

PICTURES_PER_RUN = 10
"""Maximum number of times that a run logs its pictures, besides the last epoch."""
EXTRAS = {
    "wandb": {"WANDB_ERROR_REPORTING": "false"},
    "mlflow": {"MLFLOW_DISABLE_TELEMETRY": "true"},
}
"""Loggers that are extras, and what keeps them from sending reports unless the user says so."""


def require_logger(name: str) -> None:
    """Check that the package of a logger is installed.

    Raises:
        ModuleNotFoundError: it is not; the message says how to install it.
    """
    if name in EXTRAS:
        require(name, name)


def open_logger(name: str, run: RunFolder) -> Logger:
    """One of Lightning's loggers, which writes into the run's folder and sends nothing.

    `WANDB_MODE=online` and `MLFLOW_TRACKING_URI` are the user's word that it may.
    """
    for variable, value in EXTRAS.get(name, {}).items():
        os.environ.setdefault(variable, value)
    if name == "csv":  # a version of its own for each start: the logger deletes what it finds
        return CSVLogger(run.path, name=run.csv.name)
    if name == "wandb":
        return WandbLogger(
            name=run.path.name,
            project=os.environ.get("WANDB_PROJECT", "lix"),
            save_dir=run.path,
            id=run_id(run),
            offline=os.environ.get("WANDB_MODE", "offline") == "offline",
        )
    if name == "mlflow":
        server = os.environ.get("MLFLOW_TRACKING_URI")
        return MLFlowLogger(
            experiment_name="lix",
            run_name=run.path.name,
            tracking_uri=server or f"sqlite:///{run.mlflow_database}",
            artifact_location=None if server else run.mlflow.as_uri(),
        )
    if not isinstance(threading.excepthook, _MainThreadErrors):
        threading.excepthook = _MainThreadErrors(threading.excepthook)
    return TensorBoardLogger(run.path, name="", version=run.tensorboard.name)


class _MainThreadErrors:
    """A hook that prints no traceback of TensorBoard's writer: its next call raises the error."""

    def __init__(self, shown: Callable[[threading.ExceptHookArgs], Any]) -> None:
        self.shown = shown

    def __call__(self, failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.thread, _AsyncWriterThread):
            self.shown(failed)


def close_logger(name: str) -> None:
    """End what would take the next run of this process for its own."""
    if name == "wandb":
        import wandb

        wandb.finish()


class LogExtras(L.Callback):
    """Logs the learning rate, IoU by class and the same validation pictures every few epochs.

    They go only to the logger: what the module logs is in `history.csv` too.
    """

    @rank_zero_only
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._log(trainer, {"lr": trainer.optimizers[0].param_groups[0]["lr"]})

    @rank_zero_only
    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the pictures while the weights are those that are validated."""
        every, epoch = trainer.check_val_every_n_epoch or 1, trainer.current_epoch + 1
        evaluations = (trainer.max_epochs or 1) // every
        rare = every * -(-evaluations // PICTURES_PER_RUN)
        if epoch % rare == 0 or epoch == trainer.max_epochs:
            log_pictures(trainer, pl_module)

    @rank_zero_only
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        ious = zip(pl_module.spec.classes, pl_module.scores.iou, strict=True)
        self._log(trainer, {f"IoU/{name}": iou for name, iou in ious if iou is not None})

    def _log(self, trainer: L.Trainer, values: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(values | {"epoch": trainer.current_epoch}, trainer.global_step)


def log_pictures(trainer: L.Trainer, module: L.LightningModule) -> None:
    """Log RGB, X where training reads it, labels and prediction of some validation frames."""
    showing = [logger for logger in trainer.loggers if not isinstance(logger, CSVLogger)]
    if not showing:
        return
    from lix.evaluation.pictures import SHOWN, colours, predictions, read_frame, tiled

    batches: Any = trainer.datamodule
    val, palette = batches.val, colours(batches.val)
    for number, index in enumerate(evenly_spaced(len(val), SHOWN), start=1):
        try:
            frame = read_frame(val, batches.recipe.data, index, with_x=batches.x_in_training)
        except DataError:
            return  # validation frames may lack an X that only training reads
        row = predictions({"prediction": module.network}, [frame], palette)
        for logger in showing:
            _log_picture(logger, f"frame {number}", tiled(row), trainer.global_step)


def _log_picture(logger: Logger, name: str, picture: Any, step: int) -> None:
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, step, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(name, [picture], step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, key=name.replace(" ", "-"), step=step)
