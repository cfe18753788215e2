"""Batches of labelled and unlabelled frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, islice, zip_longest
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler
from torchvision import tv_tensors

from lix.core.types import IGNORE_INDEX
from lix.data.archives import reading_order
from lix.training.loaders import EpochSampler, TrainingSet, derived_seed

BUFFER = 4096
"""Frames of archives among which the next one is drawn."""
Key = tuple[int, int, int]
"""0 for the labelled and 1 for the unlabelled frames, the pass over them, and the frame's index."""


class MixedBatches(Sampler[list[Key]]):
    """Batches of some labelled and some unlabelled frames, a function of seed, epoch and step.

    An epoch is a pass over the labelled frames. The unlabelled ones are walked in an order of their
    own that goes on over the epochs: pass by pass, each in a new random order.

    Args:
        sampler: draws the labelled frames; Lightning sets its epoch.
        batch_size: number of labelled frames in a batch.
        frames: number of unlabelled frames there are.
        unlabelled: number of unlabelled frames in a batch.
        groups: indices of the unlabelled frames by the archive that they lie in, see
            `shuffle_groups`; None: they are files of their own.
    """

    def __init__(
        self,
        sampler: EpochSampler,
        batch_size: int,
        frames: int,
        unlabelled: int,
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.sampler, self.batch_size = sampler, batch_size
        self.frames, self.unlabelled, self.groups = frames, unlabelled, groups
        self._order: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size

    def __iter__(self) -> Iterator[list[Key]]:
        labelled = iter(self.sampler)
        for step in range(len(self)):
            batch: list[Key] = [(0, *key) for key in islice(labelled, self.batch_size)]
            number = self.sampler.epoch * len(self) + step
            first = (number * self.sampler.world + self.sampler.rank) * self.unlabelled
            batch += [self._key(first + i) for i in range(self.unlabelled)]
            yield batch

    def _key(self, place: int) -> Key:
        """What stands at a place of the endless walk."""
        epoch, index = divmod(place, self.frames)
        if self._order[0] != epoch:
            seed = derived_seed(self.sampler.seed, epoch, 1)
            generator = torch.Generator().manual_seed(seed)
            order = (
                torch.randperm(self.frames, generator=generator).tolist()
                if self.groups is None
                else shuffle_groups(self.groups, BUFFER, generator)
            )
            self._order = epoch, order
        return 1, epoch, self._order[1][index]


def shuffle_groups(
    groups: Sequence[Sequence[int]], buffer: int, generator: torch.Generator
) -> list[int]:
    """Shuffle what is quick to read in order: groups first, then their members within a buffer.

    Each place of the result is drawn from a buffer that the groups, one after the other, fill up
    again, as in WebDataset. What is read stays in a part of the files that moves on.

    Args:
        groups: numbers in the order in which they are quick to read.
        buffer: number of places of the buffer.
        generator: source of random numbers.
    """
    places = torch.randperm(len(groups), generator=generator).tolist()
    stream = [number for place in places for number in groups[place]]
    draws = torch.rand(len(stream), generator=generator).tolist()
    waiting, order = stream[:buffer], list[int]()
    for draw, following in zip_longest(draws, stream[buffer:]):
        place = int(draw * len(waiting))
        order.append(waiting[place])
        if following is None:
            waiting[place] = waiting[-1]
            waiting.pop()
        else:
            waiting[place] = following
    return order


class MixedSet(Dataset[dict[str, Any]]):
    """Training samples of both kinds by `Key`.

    Each has two more entries: `labelled`, and `valid`, (H, W) booleans that are false outside the
    image and, on labelled frames, where the label is 255. Drives whose labels are read after all
    (the ceiling of a study) give labelled samples.

    Args:
        labelled: the labelled frames.
        drives: the others, drawn with equal probability.
    """

    def __init__(self, labelled: TrainingSet, drives: Sequence[TrainingSet]) -> None:
        self.labelled, self.drives = labelled, tuple(drives)
        self._ends = list(accumulate(map(len, drives)))

    def groups(self) -> list[list[int]] | None:
        """Indices of the unlabelled frames by archive; None where none lies in one."""
        sources = [drive.source for drive in self.drives]
        paths = [source.image_path(frame) for source in sources for frame in source.ids]
        groups = reading_order(paths)
        return None if len(groups) == len(paths) else groups

    @property
    def unlabelled_frames(self) -> int:
        """Number of frames in all drives."""
        return self._ends[-1]

    def __getitem__(self, key: Key) -> dict[str, Any]:
        part, epoch, index = key
        if part == 0:
            item = self.labelled[epoch, index]
            return item | {"labelled": True, "valid": item["target"] != IGNORE_INDEX}
        which = bisect_right(self._ends, index)
        drive = self.drives[which]
        sample = drive.sample(index - (self._ends[which - 1] if which else 0))
        labelled = drive.dataset.labelled
        if not labelled:
            # Zeros inside the image; the augmentation puts 255 outside.
            inside = torch.zeros_like(sample.target.as_subclass(torch.Tensor))
            sample = replace(sample, target=tv_tensors.Mask(inside))
        item = drive.augmented(sample, epoch, index, 1)
        valid = item["target"] != IGNORE_INDEX
        if not labelled:
            item["target"] = torch.full_like(item["target"], IGNORE_INDEX)
        return item | {"labelled": labelled, "valid": valid}
