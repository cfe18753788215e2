"""The first stage of a two-stage method, run before the student's training and resumed like it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.progress import track

from lix.core.files import atomic_write
from lix.methods.parts.first_stage import Batch, FirstStage
from lix.networks.parts.weights import UNREADABLE
from lix.training.loaders import Batches, derived_seed
from lix.training.module import SegModule


def run_first_stage(
    module: SegModule, batches: Batches, device: torch.device, path: Path, console: Console
) -> None:
    """Run what the module's method must learn before the student, if it has a first stage.

    Args:
        module: with method and teacher.
        batches: of the student's training.
        device: where to train.
        path: file that keeps the stage.
        console: where progress goes.
    """
    if module.method is None or module.teacher is None:
        return
    training = TeacherBatches(batches, device, console)
    module.teacher.to(device)
    module.method.to(device).prepare(
        module.teacher,
        training,
        features=module.teacher_features,
        record=Record(path, training),
    )


class TeacherBatches:
    """Training batches on a device, pass by pass; each pass is random by its number alone."""

    def __init__(self, batches: Batches, device: torch.device, console: Console) -> None:
        self.loader = batches.train_dataloader()
        self.seed = batches.recipe.training.seed
        self.device, self.console = device, console
        self.passes = 0

    def __iter__(self) -> Iterator[Batch]:
        self.loader.sampler.set_epoch(self.passes)  # type: ignore[attr-defined]
        torch.manual_seed(derived_seed(self.seed, self.passes))
        self.passes += 1
        for batch in track(
            self.loader,
            f"first stage, pass {self.passes}",
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ):
            x = batch["x"].to(self.device) if "x" in batch else None
            yield batch["image"].to(self.device), x, batch["target"].to(self.device)


class Record:
    """Keeps the stage in a file after each pass, and says its loss."""

    def __init__(self, path: Path, batches: TeacherBatches) -> None:
        self.path, self.batches = path, batches

    def restore(self, stage: FirstStage) -> None:
        """Go on after the last whole pass, if there is one.

        Raises:
            ValueError: the file is damaged.
        """
        while rank_zero_only.rank and not self._finished(stage):
            time.sleep(1)  # the first process trains it for all
        if not self.path.is_file():
            return
        try:
            state = torch.load(self.path, map_location=self.batches.device, weights_only=True)
            stage.part.load_state_dict(state["part"])
            stage.optimizer.load_state_dict(state["optimizer"])
            stage.done = self.batches.passes = state["done"]
        except UNREADABLE:
            raise ValueError(
                f"{self.path} is damaged; delete it, and the first stage starts anew."
            ) from None

    def _finished(self, stage: FirstStage) -> bool:
        if not self.path.is_file():
            return False
        stored: int = torch.load(self.path, map_location="cpu", weights_only=True)["done"]
        return stored >= stage.passes

    def passed(self, stage: FirstStage, loss: float) -> None:
        """Save the stage and print a line."""
        state = {"part": stage.part.state_dict(), "optimizer": stage.optimizer.state_dict()}
        with atomic_write(self.path) as unfinished:
            torch.save(state | {"done": stage.done}, unfinished)
        self.batches.console.print(
            f"first stage, pass {stage.done}/{stage.passes}  loss {loss:.3f}"
        )
