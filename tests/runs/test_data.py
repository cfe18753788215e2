"""The section `data` of a recipe → data sets and batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lix.runs.data import EvaluationSet, open_dataset
from lix.runs.settings import Data


def test_images_without_labels_become_batches(streets: Path) -> None:
    data = Data(root=streets, size=(32, 64))
    dataset = open_dataset(data, "train", labelled=False)
    assert len(dataset) == 24  # of both splits
    batch = EvaluationSet(dataset, data, with_x=True)[3]
    assert batch["id"] == dataset.ids[3]
    assert torch.equal(batch["target"], torch.full((32, 64), 255))
    assert batch["x"].shape == (1, 32, 64)


def test_labels_are_not_switched_off_by_an_option(streets: Path) -> None:
    with pytest.raises(ValueError, match="Unknown option of vkitti2 'labelled'"):
        open_dataset(Data(root=streets, options={"labelled": False}), "train")


def test_a_root_is_needed() -> None:
    with pytest.raises(ValueError, match=r"Set data\.root"):
        open_dataset(Data(), "train")
