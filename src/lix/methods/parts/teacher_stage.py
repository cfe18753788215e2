"""A part of a method that is trained on the teacher before the student: FT's and MasKD's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lix.core.types import SegOutput
from lix.methods.parts.pseudo import pseudo_target
from lix.networks.parts.base import SegNetwork

Batch = tuple[Tensor, Tensor | None, Tensor] | tuple[Tensor, Tensor | None, Tensor, Tensor]
"""Image, X (None for an RGB teacher), target and, where frames are unlabelled, the `valid` of
`pseudo_target`."""


@dataclass
class TeacherStage:
    """What is trained before the student, and how."""

    part: nn.Module
    loss: Callable[[SegOutput, Tensor], Tensor]
    """Loss of the teacher's output and the target."""
    optimizer: torch.optim.Optimizer
    epochs: int
    epochs_done: int = 0

    def run_epoch(
        self, teacher: SegNetwork, batches: Iterable[Batch], features: Sequence[str]
    ) -> float:
        """Train the part for one pass over the batches; returns the mean loss.

        Args:
            teacher: the frozen teacher.
            batches: (image, X or None, target), or with `valid` as fourth.
            features: names of the teacher's maps that the loss sees.

        Raises:
            ValueError: the teacher is in training mode, or there are no batches.
            ArithmeticError: the loss is NaN or infinite.
        """
        if teacher.training:
            raise ValueError("The teacher is in training mode; call teacher.eval().")
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
        self.epochs_done += 1
        return sum(losses) / len(losses)

    def _step(self, teacher: SegNetwork, batch: Batch, features: Sequence[str]) -> float:
        image, x, target, *valid = batch
        with torch.no_grad():
            output = teacher(image, x, features=features)
        if valid:
            target = pseudo_target(target, output.logits, valid[0])
        loss = self.loss(output, target)
        if not loss.isfinite():
            raise ArithmeticError(
                f"The teacher stage diverged in epoch {self.epochs_done + 1}: its loss became "
                f"{loss.item()}; lower the method's option lr and start again."
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()
