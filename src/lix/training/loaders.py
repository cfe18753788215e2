"""Data sets → batches, the same whatever was done before a resume and on however many ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lix.data.sample import SegDataset
from lix.data.transforms import Augment, to_batch
from lix.runs.data import cached, evaluation_loader
from lix.runs.recipe import Recipe


def derived_seed(*numbers: int) -> int:
    """A seed that differs wherever one of the numbers does."""
    return int(np.random.SeedSequence([len(numbers), *numbers]).generate_state(1)[0])


class EpochSampler(Sampler[tuple[int, int]]):
    """Draws (epoch, index) in an order that depends on seed and epoch alone.

    Each rank takes every `world`-th index; what does not fill a step on all ranks is left out.
    Lightning calls `set_epoch`, also after a resume.
    """

    def __init__(self, length: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.length, self.seed, self.rank, self.world = length, seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        order = torch.randperm(self.length, generator=generator).tolist()
        for index in order[self.rank :: self.world][: len(self)]:
            yield self.epoch, index


class TrainingSet(Dataset[dict[str, Any]]):
    """Augmented samples, each random by (seed, epoch, index) alone."""

    def __init__(self, dataset: SegDataset, recipe: Recipe, *, with_x: bool) -> None:
        self.dataset, self.with_x = cached(dataset, recipe.data), with_x
        self.encoding, self.seed = recipe.data.x, recipe.training.seed
        augment = recipe.augment
        self.augment = Augment(recipe.data.size, augment.scale, augment.flip, augment.photometric)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        sample = self.dataset.read(self.dataset.ids[index], with_x=self.with_x)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(self.seed, epoch, index))
            return to_batch(self.augment(sample), self.encoding)


class Batches(L.LightningDataModule):
    """Training and validation batches of a recipe; makes its loaders on the rank that asks.

    Args:
        recipe: all settings.
        train, val: the data sets.
        x_in_training: whether training batches carry X (a teacher, or distillation).
        x_in_validation: whether validation batches do (a teacher).
    """

    def __init__(
        self,
        recipe: Recipe,
        train: SegDataset,
        val: SegDataset,
        *,
        x_in_training: bool,
        x_in_validation: bool,
    ) -> None:
        super().__init__()
        self.recipe, self.train, self.val = recipe, train, val
        self.x_in_training, self.x_in_validation = x_in_training, x_in_validation

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Shuffled, augmented batches.

        Raises:
            ValueError: the set is smaller than one step.
        """
        training, batch_size = self.recipe.training, self.recipe.optim.batch_size
        sampler = EpochSampler(len(self.train), training.seed, *self._rank_and_world())
        if len(sampler) < batch_size:
            raise ValueError(
                f"{len(self.train)} training images do not fill a batch of {batch_size} on "
                f"{sampler.world} process(es); lower optim.batch_size."
            )
        return DataLoader(
            TrainingSet(self.train, self.recipe, with_x=self.x_in_training),
            batch_size=batch_size,
            sampler=sampler,
            drop_last=True,
            num_workers=training.workers,
            persistent_workers=training.workers > 0,
        )

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
