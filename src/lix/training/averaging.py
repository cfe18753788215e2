"""The moving average of the weights, which is what is validated, kept and deployed."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import EMAWeightAveraging


class MovingAverage(EMAWeightAveraging):
    """Lightning's average over parameters and buffers, on the training's device, without a teacher.

    Checkpoints hold the average as the weights, and the trained weights for a resume.

    Args:
        decay: share of the old average that each step keeps.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(decay=decay)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # The module is on the CPU until after this hook, and a copy of it would copy the teacher.
        self._device = trainer.strategy.root_device
        teacher = pl_module.teacher
        object.__setattr__(pl_module, "teacher", None)
        try:
            super().setup(trainer, pl_module, stage)
        finally:
            object.__setattr__(pl_module, "teacher", teacher)
