"""The training and validation batches of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from lix.data.dataset import SegDataset
from lix.data.duplicates import Fingerprint
from lix.runs.data import evaluation_loader
from lix.runs.identity import Part
from lix.runs.recipe import Recipe
from lix.training.drives import OpenedDrive
from lix.training.loaders import EpochSampler, TrainingSet
from lix.training.mixed import MixedBatches, MixedSet


class Batches(L.LightningDataModule):
    """Training and validation batches of a recipe; makes its loaders on the rank that asks.

    Args:
        recipe: all settings.
        train, val: the data sets.
        x_in_training: whether training batches carry X (a teacher, or distillation).
        x_in_validation: whether validation batches do (a teacher).
        drives: frames without labels that join every training batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: SegDataset,
        val: SegDataset,
        *,
        x_in_training: bool,
        x_in_validation: bool,
        drives: Sequence[OpenedDrive] = (),
    ) -> None:
        super().__init__()
        self.recipe, self.train, self.val = recipe, train, val
        self.x_in_training, self.x_in_validation = x_in_training, x_in_validation
        self.drives = tuple(drives)

    @property
    def parts(self) -> dict[str, Part]:
        """All data by name."""
        return {
            "train": Part(self.train, self.x_in_training),
            "val": Part(self.val, self.x_in_validation),
            **{
                f"unlabelled {number} {drive.data.root}": Part(drive.frames, self.x_in_training)
                for number, drive in enumerate(self.drives, start=1)
            },
        }

    @property
    def steps_per_epoch(self) -> int:
        """Batches that each process gets in an epoch; what does not fill one is left out."""
        return self.recipe.steps_per_epoch(len(self.train))

    @property
    def drive_fingerprints(self) -> dict[str, Fingerprint]:
        """Fingerprints of the drives' images by folder and frame."""
        return {
            f"{drive.data.root}/{frame}": image
            for drive in self.drives
            for frame, image in drive.prints.items()
        }

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Shuffled, augmented batches.

        Raises:
            ValueError: the set is smaller than one step.
        """
        training, batch_size = self.recipe.training, self.recipe.optim.batch_size
        sampler = EpochSampler(len(self.train), training.seed, *self._rank_and_world())
        if self.trainer:
            # Worker processes read ahead before Lightning sets the epoch of a resumed run.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)
        if len(sampler) < batch_size:
            raise ValueError(
                f"{len(self.train)} training images do not fill a batch of {batch_size} on "
                f"{sampler.world} process(es); lower optim.batch_size."
            )
        frames = TrainingSet(self.train, self.recipe, with_x=self.x_in_training)
        workers: dict[str, Any] = {
            "num_workers": training.workers,
            "persistent_workers": training.workers > 0,
        }
        if not self.drives:
            return DataLoader(
                frames, batch_size=batch_size, sampler=sampler, drop_last=True, **workers
            )
        drives = [
            TrainingSet(
                drive.frames,
                self.recipe.model_copy(update={"data": drive.data}),
                with_x=self.x_in_training,
            )
            for drive in self.drives
        ]
        mixed = MixedSet(frames, drives)
        unlabelled = self.recipe.unlabelled.batch_size or batch_size
        frames_of_drives = mixed.unlabelled_frames
        order = MixedBatches(sampler, batch_size, frames_of_drives, unlabelled, mixed.groups())
        return DataLoader(mixed, batch_sampler=order, **workers)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Every validation image once, split over the ranks without repeating any.

        Raises:
            ValueError: there are more processes than images.
        """
        rank, world = self._rank_and_world()
        if len(self.val) < world:
            raise ValueError(
                f"{len(self.val)} validation images are too few for {world} processes; "
                "lower training.devices."
            )
        return evaluation_loader(
            self.recipe.data,
            self.val,
            with_x=self.x_in_validation,
            batch_size=self.recipe.optim.batch_size,
            workers=self.recipe.training.workers,
            indices=range(rank, len(self.val), world),
        )

    def _rank_and_world(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
