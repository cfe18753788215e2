"""The part of a method that is trained on the teacher before the student; it can be resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from torch.utils.data import DataLoader

from lix.core.console import tracked
from lix.core.files import atomic_write
from lix.methods.parts.teacher_stage import Batch, TeacherStage
from lix.networks.parts.weights import UNREADABLE
from lix.training.batches import Batches
from lix.training.checkpoint_io import read_whole
from lix.training.loaders import derived_seed
from lix.training.module import SegModule


def run_teacher_stage(
    module: SegModule, batches: Batches, device: torch.device, path: Path, console: Console
) -> None:
    """Train what the module's method must learn from the teacher before the student, if anything.

    Args:
        module: with method and teacher.
        batches: those of the student's training.
        device: where to train.
        path: file that keeps the stage after each epoch; a finished stage is read from it.
        console: where progress goes.
    """
    method, teacher = module.method, module.teacher
    if method is None or teacher is None:
        return
    teacher.to(device)
    stage = method.to(device).teacher_stage()
    if stage is None:
        return
    if rank_zero_only.rank:
        _wait(path, stage.epochs)
    _restore(stage, path, device)
    loader, seed = batches.train_dataloader(), batches.recipe.training.seed
    while stage.epochs_done < stage.epochs:
        epoch = _epoch(loader, seed, stage.epochs_done, device, console)
        loss = stage.run_epoch(teacher, epoch, module.teacher_features)
        _save(stage, path)
        console.print(f"teacher stage, epoch {stage.epochs_done}/{stage.epochs}  loss {loss:.3f}")


def _epoch(
    loader: DataLoader[dict[str, Any]],
    seed: int,
    epoch: int,
    device: torch.device,
    console: Console,
) -> Iterator[Batch]:
    """The training batches of an epoch on a device, random only by seed and epoch."""
    loader.batch_sampler.sampler.set_epoch(epoch)  # type: ignore[union-attr]
    torch.manual_seed(derived_seed(seed, epoch))
    for batch in tracked(loader, f"teacher stage, epoch {epoch + 1}", console, len(loader)):
        x = batch["x"].to(device) if "x" in batch else None
        valid = (batch["valid"].to(device),) if "valid" in batch else ()
        yield (batch["image"].to(device), x, batch["target"].to(device), *valid)


def _save(stage: TeacherStage, path: Path) -> None:
    state = {
        "part": stage.part.state_dict(),
        "optimizer": stage.optimizer.state_dict(),
        "epochs_done": stage.epochs_done,
    }
    with atomic_write(path) as unfinished:
        torch.save(state, unfinished)


def _restore(stage: TeacherStage, path: Path, device: torch.device) -> None:
    """Continue after the last whole epoch, if there is one.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return
    try:
        state = read_whole(path, device)
        stage.part.load_state_dict(state["part"])
        stage.optimizer.load_state_dict(state["optimizer"])
        stage.epochs_done = state["epochs_done"]
    except UNREADABLE:
        raise ValueError(
            f"{path} is damaged; delete it, and the teacher stage starts again."
        ) from None


def _wait(path: Path, epochs: int) -> None:
    """Wait until the first process, which trains the stage for all, has finished it."""
    while not (
        path.is_file()
        and torch.load(path, map_location="cpu", weights_only=True)["epochs_done"] >= epochs
    ):
        time.sleep(1)
