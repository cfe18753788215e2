"""The order of samples, and that a sample depends on seed, epoch and index alone."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lix.core.registry import merge
from lix.data.dataset import SegDataset
from lix.data.sets.vkitti2 import VKITTI2
from lix.runs.data import evaluation_loader, open_dataset
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from lix.training.batches import Batches
from lix.training.loaders import (
    EpochSampler,
    TrainingSet,
    derived_seed,
)


def recipe(**settings: Any) -> Recipe:
    small = {"data": {"size": [32, 64]}, "optim": {"batch_size": 4}, "training": {"seed": 5}}
    return Recipe.model_validate(merge(small, settings))


@pytest.fixture
def train(streets: Path) -> SegDataset:
    return VKITTI2(streets)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    assert one.keys() == other.keys()
    return all(
        torch.equal(one[k], other[k]) if isinstance(one[k], torch.Tensor) else one[k] == other[k]
        for k in one
    )


def epoch_of(sampler: EpochSampler, epoch: int) -> list[tuple[int, int]]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_derived_seeds_differ_wherever_a_number_does() -> None:
    numbers = list(itertools.product((0, 1, 7, 2**31), repeat=3))
    assert len({derived_seed(*n) for n in numbers}) == len(numbers)
    assert derived_seed(1, 2, 3) == derived_seed(1, 2, 3) < 2**32


def test_order_depends_on_seed_and_epoch_alone() -> None:
    fresh = epoch_of(EpochSampler(20, seed=1), 3)
    used = EpochSampler(20, seed=1)
    for epoch in range(3):
        torch.manual_seed(epoch)
        epoch_of(used, epoch)
    assert epoch_of(used, 3) == fresh
    assert {epoch for epoch, _ in fresh} == {3}
    assert sorted(index for _, index in fresh) == list(range(20))
    indices = [[i for _, i in epoch_of(EpochSampler(20, s), e)] for s in (1, 2) for e in (0, 3)]
    assert len({tuple(order) for order in indices}) == 4


@pytest.mark.parametrize(("length", "world"), [(20, 2), (21, 2), (23, 4), (3, 3), (5, 1)])
def test_ranks_are_disjoint_and_complete(length: int, world: int) -> None:
    samplers = [EpochSampler(length, 7, rank, world) for rank in range(world)]
    parts = [epoch_of(sampler, 2) for sampler in samplers]
    assert {len(part) for part in parts} == {length // world} == set(map(len, samplers))
    everything = [index for part in parts for _, index in part]
    assert len(set(everything)) == len(everything) == length - length % world
    together = epoch_of(EpochSampler(length, 7), 2)
    assert {(2, index) for index in everything} <= set(together)


def test_sample_does_not_depend_on_history(train: SegDataset) -> None:
    data = TrainingSet(train, recipe(), with_x=True)
    expected = data[3, 2]
    for key in ((0, 0), (0, 2), (3, 1)):
        torch.rand(5)
        assert not same(data[key], expected)
    torch.manual_seed(99)
    assert same(data[3, 2], expected)
    assert same(TrainingSet(train, recipe(), with_x=True)[3, 2], expected)


def test_sample_leaves_the_global_random_numbers_alone(train: SegDataset) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    TrainingSet(train, recipe(), with_x=False)[0, 0]
    assert torch.equal(torch.rand(3), expected)


def test_sample_differs_between_epochs_seeds_and_indices(train: SegDataset) -> None:
    data = TrainingSet(train, recipe(), with_x=False)
    other = TrainingSet(train, recipe(training={"seed": 6}), with_x=False)
    images = [data[0, 0], data[1, 0], data[0, 1], other[0, 0]]
    assert len({item["image"].numpy().tobytes() for item in images}) == 4


def test_student_and_teacher_see_the_same_picture(train: SegDataset) -> None:
    student = TrainingSet(train, recipe(), with_x=False)[1, 4]
    teacher = TrainingSet(train, recipe(), with_x=True)[1, 4]
    assert "x" not in student
    assert teacher.pop("x").shape == (1, 32, 64)
    assert same(student, teacher)


@pytest.fixture
def batches(streets: Path) -> Any:
    def build(workers: int = 0, **settings: Any) -> Batches:
        settings = merge({"training": {"workers": workers}}, settings)
        train, val = VKITTI2(streets), VKITTI2(streets, split="val")
        return Batches(recipe(**settings), train, val, x_in_training=True, x_in_validation=False)

    return build


def test_batches_do_not_depend_on_workers(batches: Any) -> None:
    def epoch(workers: int) -> list[dict[str, Any]]:
        loader = batches(workers).train_dataloader()
        loader.sampler.set_epoch(2)
        return list(loader)

    alone, helped = epoch(0), epoch(2)
    assert len(alone) == len(helped) == 4
    assert all(map(same, alone, helped))
    assert all(
        a["image"].stride() == h["image"].stride() for a, h in zip(alone, helped, strict=True)
    )


def test_training_batches(batches: Any) -> None:
    batch = next(iter(batches().train_dataloader()))
    assert batch["image"].shape == (4, 3, 32, 64)
    assert batch["target"].shape == (4, 32, 64)
    assert batch["x"].shape == (4, 1, 32, 64)
    assert len(batch["id"]) == 4
    assert batch["x"].isfinite().all()


def test_validation_reads_every_image_once_without_augmentation(batches: Any) -> None:
    loader = batches().val_dataloader()
    items = [name for batch in loader for name in batch["id"]]
    assert items == batches().val.ids
    assert "x" not in next(iter(loader))
    first, again = next(iter(loader)), next(iter(loader))
    assert same(first, again)


def test_evaluation_of_some_images(streets: Path) -> None:
    data = Data(size=(32, 64))
    loader = evaluation_loader(data, VKITTI2(streets), with_x=True, indices=[5, 1])
    (batch,) = loader
    assert batch["id"] == [VKITTI2(streets).ids[i] for i in (5, 1)]
    assert batch["x"].shape == (2, 1, 32, 64)


def test_set_smaller_than_a_batch(batches: Any) -> None:
    with pytest.raises(ValueError, match="16 training images do not fill a batch of 17"):
        batches(optim={"batch_size": 17}).train_dataloader()


def test_a_student_trains_where_x_was_deleted(streets: Path, tmp_path: Path) -> None:
    root = shutil.copytree(streets, tmp_path / "streets")
    for folder in root.glob("*/*/frames/depth"):
        shutil.rmtree(folder)
    train, val = VKITTI2(root), VKITTI2(root, split="val")
    student = Batches(recipe(), train, val, x_in_training=False, x_in_validation=False)
    assert len(list(student.train_dataloader())) == 4
    assert len(list(student.val_dataloader())) == 2
    teacher = Batches(recipe(), train, val, x_in_training=True, x_in_validation=True)
    with pytest.raises(ValueError, match="16 of 16 depth files are missing"):
        next(iter(teacher.train_dataloader()))


def test_opening_by_recipe(streets: Path) -> None:
    data = Data(root=streets, options={"lists": "all"}, val={"cameras": [0]})
    assert len(open_dataset(data, "train")) == 24
    with pytest.raises(ValueError, match=r"Set data\.root"):
        open_dataset(Data(), "train")
    with pytest.raises(ValueError, match="Did you mean 'scenes'"):
        open_dataset(data.model_copy(update={"options": {"scene": "Scene01"}}), "val")
