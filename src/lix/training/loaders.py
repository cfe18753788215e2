"""Training samples and their order, the same after a resume and on any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from lix.data.dataset import SegDataset
from lix.data.sample import Sample
from lix.data.transforms import Augment, to_batch
from lix.runs.data import cached
from lix.runs.recipe import Recipe


def derived_seed(*numbers: int) -> int:
    """A seed that differs wherever one of the numbers does."""
    return int(np.random.SeedSequence([len(numbers), *numbers]).generate_state(1)[0])


class EpochSampler(Sampler[tuple[int, int]]):
    """Draws (epoch, index) in an order that depends only on seed and epoch.

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
    """Augmented samples, each random only by (seed, epoch, index)."""

    def __init__(self, dataset: SegDataset, recipe: Recipe, *, with_x: bool) -> None:
        self.source, self.dataset = dataset, cached(dataset, recipe.data)
        self.with_x = with_x
        self.encoding, self.seed = recipe.data.x, recipe.training.seed
        geometry_and_colours = recipe.augment.model_dump(exclude={"depth_mix"})
        self.augment = Augment(recipe.data.size, **geometry_and_colours)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        return self.augmented(self.sample(index), epoch, index)

    def sample(self, index: int) -> Sample:
        """A frame as it is."""
        return self.dataset.read(self.dataset.ids[index], with_x=self.with_x)

    def augmented(self, sample: Sample, *numbers: int) -> dict[str, Any]:
        """An augmented sample as the training module gets it, random only by seed and numbers."""
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would also note down, for a millisecond, what to tell each GPU.
            torch.default_generator.manual_seed(derived_seed(self.seed, *numbers))
            return to_batch(self.augment(sample), self.encoding)
