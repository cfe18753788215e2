"""The first stage of a two-stage method: a part of it, trained on the teacher alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from lix.core.types import SegOutput
from lix.networks.parts.base import SegNetwork

Batch = tuple[Tensor, Tensor | None, Tensor]
"""Image, X (None for an RGB teacher) and target."""


@dataclass
class FirstStage:
    """What is trained before the student, and how."""

    part: nn.Module
    loss: Callable[[SegOutput, Tensor], Tensor]
    """Of the teacher's output and the target."""
    optimizer: torch.optim.Optimizer
    passes: int
    """Over the training data."""
    done: int = 0

    def run_pass(
        self, teacher: SegNetwork, batches: Iterable[Batch], features: Sequence[str]
    ) -> float:
        """One pass; returns the mean loss.

        Raises:
            ValueError: there are no batches.
            ArithmeticError: the loss is NaN or infinite.
        """
        self.part.requires_grad_(True)
        try:
            losses = [self._step(teacher, batch, features) for batch in batches]
        finally:
            self.optimizer.zero_grad()
            self.part.requires_grad_(False)
        if not losses:
            raise ValueError(
                "The batches are used up; give prepare a list or a DataLoader, not an iterator."
            )
        self.done += 1
        return sum(losses) / len(losses)

    def _step(self, teacher: SegNetwork, batch: Batch, features: Sequence[str]) -> float:
        image, x, target = batch
        with torch.no_grad():
            known = teacher(image, x, features=features)
        loss = self.loss(known, target)
        if not loss.isfinite():
            raise ArithmeticError(
                f"The first stage diverged in pass {self.done + 1}: its loss became {loss.item()}; "
                "lower the method's option lr and start again."
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class StageRecord(Protocol):
    """Keeps a first stage over interruptions, and says how far it is."""

    def restore(self, stage: FirstStage) -> None:
        """Bring the stage to where it was."""

    def passed(self, stage: FirstStage, loss: float) -> None:
        """A pass has ended."""
