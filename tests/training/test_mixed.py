"""Batches of labelled and unlabelled frames: their order, and what is valid in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lix.core.registry import merge
from lix.data.sets.vkitti2 import VKITTI2
from lix.runs.data import open_dataset
from lix.runs.recipe import Recipe
from lix.tools.shard import shard
from lix.training.batches import Batches
from lix.training.drives import OpenedDrive
from lix.training.loaders import EpochSampler, TrainingSet
from lix.training.mixed import Key, MixedBatches, MixedSet, shuffle_groups


def batches(
    epoch: int, *, frames: int = 7, rank: int = 0, world: int = 1, seed: int = 3
) -> list[list[Key]]:
    order = MixedBatches(EpochSampler(12, seed, rank, world), 2, frames, 3)
    order.sampler.set_epoch(epoch)
    found = list(order)
    assert len(found) == len(order)
    return found


def unlabelled(found: list[list[Key]]) -> list[Key]:
    return [key for batch in found for key in batch if key[0] == 1]


def test_a_batch_has_both_kinds_and_an_epoch_is_a_pass_over_the_labelled() -> None:
    found = batches(4)
    assert [[part for part, *_ in batch] for batch in found] == [[0, 0, 1, 1, 1]] * 6
    labelled = [key for batch in found for key in batch if key[0] == 0]
    sampler = EpochSampler(12, 3)
    sampler.set_epoch(4)
    assert labelled == [(0, *key) for key in sampler], "the labelled order is what it was"


def test_unlabelled_frames_are_walked_over_the_epochs() -> None:
    walk = [key for epoch in range(7) for key in unlabelled(batches(epoch))]
    for number in range(len(walk) // 7):
        passed = walk[7 * number : 7 * number + 7]
        assert {epoch for _, epoch, _ in passed} == {number}
        assert sorted(index for *_, index in passed) == list(range(7))
    orders = [tuple(i for *_, i in walk[7 * n : 7 * n + 7]) for n in range(18)]
    assert len(set(orders)) > 15, "each pass has an order of its own"


def test_order_depends_only_on_seed_and_epoch() -> None:
    for epoch in (5, 0, 5):
        assert batches(epoch) == batches(epoch)
    assert batches(5) != batches(5, seed=4)


def test_processes_share_the_walk() -> None:
    alone = unlabelled(batches(0)) + unlabelled(batches(1))
    parts = [unlabelled(batches(0, rank=rank, world=2)) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == sorted(alone[:18])


def recipe(**settings: Any) -> Recipe:
    small = {"data": {"size": [32, 64]}, "optim": {"batch_size": 4}, "training": {"seed": 5}}
    return Recipe.model_validate(merge(small, settings))


@pytest.fixture
def mixed(streets: Path) -> MixedSet:
    settings = recipe(augment={"scale": [0.5, 0.5]})
    labelled = TrainingSet(VKITTI2(streets), settings, with_x=True)
    drives = [
        TrainingSet(VKITTI2(streets, labelled=False, lists=lists), settings, with_x=True)
        for lists in (None, "all")
    ]
    return MixedSet(labelled, drives)


def test_only_the_image_is_valid_in_unlabelled_samples(mixed: MixedSet) -> None:
    item = mixed[1, 0, 2]
    assert (item["target"] == 255).all()
    assert item["valid"].sum() == 16 * 32, "half the height and half the width at zoom 1/2"
    assert not item["labelled"]
    assert (item["image"][:, ~item["valid"]] == 0).all()


def test_valid_of_labelled_samples_is_where_labels_are(mixed: MixedSet) -> None:
    item = mixed[0, 0, 2]
    assert item["labelled"]
    assert torch.equal(item["valid"], item["target"] != 255)
    plain = mixed.labelled[0, 2]
    assert all(torch.equal(item[name], plain[name]) for name in ("image", "target", "x"))


def test_drives_follow_each_other(mixed: MixedSet) -> None:
    ids = [mixed.drives[0].dataset.ids, mixed.drives[1].dataset.ids]
    assert mixed.unlabelled_frames == len(ids[0]) + len(ids[1])
    assert mixed[1, 0, 0]["id"] == ids[0][0]
    assert mixed[1, 0, len(ids[0]) - 1]["id"] == ids[0][-1]
    assert mixed[1, 0, len(ids[0])]["id"] == ids[1][0]


def test_labels_are_read_after_all_for_a_ceiling(streets: Path) -> None:
    sets = [TrainingSet(VKITTI2(streets), recipe(), with_x=False) for _ in range(2)]
    item = MixedSet(sets[0], [sets[1]])[1, 0, 2]
    assert item["labelled"]
    assert (item["target"] != 255).any()


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_whole_batches_whatever_the_workers(streets: Path, workers: int) -> None:
    settings = recipe(training={"workers": workers}, unlabelled={"root": streets, "batch_size": 2})
    train = VKITTI2(streets)
    drive = OpenedDrive(settings.data, VKITTI2(streets, labelled=False))
    module = Batches(
        settings, train, train, x_in_training=True, x_in_validation=False, drives=[drive]
    )
    loader = module.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(1)
    found = list(loader)
    assert len(found) == len(train) // 4
    assert all(batch["labelled"].tolist() == [True] * 4 + [False] * 2 for batch in found)
    assert all(batch["x"].shape == (6, 1, 32, 64) for batch in found)
    expected = [drive.frames.ids[i] for *_, i in unlabelled(list(loader.batch_sampler))]
    assert [name for batch in found for name in batch["id"][4:]] == expected


def test_archives_are_read_one_after_the_other_within_a_buffer() -> None:
    groups = [[*range(100 * n, 100 * n + 100)] for n in range(4)]
    orders = [shuffle_groups(groups, 30, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert sorted(order) == [*range(400)]
        first = order[0] // 100
        inside = [number for number in order[:70] if number // 100 == first]
        assert len(inside) == 70, "a group before the next"
        assert inside != sorted(inside)
        assert max(number % 100 - place for place, number in enumerate(inside)) < 30
    whole = shuffle_groups(groups, 1000, torch.Generator().manual_seed(0))
    assert len({number // 100 for number in whole[:40]}) == 4


def test_processes_share_the_archives() -> None:
    def walk(rank: int, world: int) -> list[Key]:
        sampler = EpochSampler(12, 3, rank, world)
        order = MixedBatches(sampler, 2, 9, 3, groups=[[4, 1, 7], [8], [0, 2, 3, 5, 6]])
        return unlabelled(list(order))

    alone, parts = walk(0, 1), [walk(rank, 2) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == sorted(alone)
    assert sorted(index for *_, index in alone[:9]) == [*range(9)]


def test_a_drive_in_archives_gives_each_frame_once_a_pass(streets: Path, tmp_path: Path) -> None:
    shard(streets, tmp_path / "shards", frames_per_shard=7)
    settings = recipe(
        data={"cache": tmp_path / "cache"},
        unlabelled={"root": tmp_path / "shards", "batch_size": 3},
    )
    train = VKITTI2(streets)
    data = settings.data.model_copy(update={"name": "folder", "root": tmp_path / "shards"})
    drive = OpenedDrive(data, open_dataset(data, "train", labelled=False))
    module = Batches(
        settings, train, train, x_in_training=True, x_in_validation=False, drives=[drive]
    )
    loader = module.train_dataloader()
    mixed = loader.dataset
    assert sorted(map(len, mixed.groups())) == [3, 7, 7, 7]
    walk = [loader.batch_sampler._key(place)[1:] for place in range(48)]
    for number in range(2):
        assert sorted(i for epoch, i in walk if epoch == number) == [*range(24)]
    assert walk[:24] != [(0, index) for _, index in walk[24:]]
    batch = next(iter(loader))
    assert batch["id"][4:] == [drive.frames.ids[index] for _, index in walk[:3]]
    assert batch["x"].shape == (7, 1, 32, 64)
