"""Frames that cannot be read are left out where that is asked for, counted and named."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console

from lix.data import build_dataset
from lix.data.cache import Cache
from lix.evaluation.report import evaluate_checkpoint
from lix.runs.damaged import without_damaged
from lix.runs.recipe import Data, Recipe
from lix.training.fit import fit


@pytest.fixture
def root(streets: Path, tmp_path: Path) -> Path:
    shutil.copytree(streets, tmp_path / "data")
    return tmp_path / "data"


def test_damaged_frames_are_left_out_and_named(root: Path, tmp_path: Path) -> None:
    whole = build_dataset("vkitti2", root, split="train")
    whole.image_path(2).write_bytes(b"cut")
    whole.label_path(5).write_bytes(b"")
    whole.x_sources[0].path(7).unlink()
    said: list[str] = []
    seen = without_damaged(whole, with_x=False, tell=said.append)
    assert [i for i in range(16) if i not in (2, 5)] == [whole.ids.index(name) for name in seen.ids]
    assert said[0].startswith("2 of 16 frames are left out as missing or damaged: ")
    assert whole.ids[2] in said[0]
    assert whole.ids[5] in said[0]
    with_x = without_damaged(whole, with_x=True, tell=said.append)
    assert len(with_x) == 13
    for index in (0, 3, 12):
        before = whole.read(whole.ids.index(with_x.ids[index]), with_x=False)
        for again in (with_x, Cache(with_x, tmp_path / "cache", (48, 96))):
            sample = again.read(index, with_x=True)
            assert sample.id == before.id
            assert torch.equal(sample.image, before.image)
            assert torch.equal(sample.target, before.target)
            assert len(sample.x) == 1


def test_whole_data_stay_as_they_are_and_none_is_an_error(root: Path) -> None:
    whole = build_dataset("vkitti2", root, split="val")
    assert without_damaged(whole, with_x=True, tell=pytest.fail) is whole
    for index in range(len(whole)):
        whole.image_path(index).write_bytes(b"cut")
    with pytest.raises(ValueError, match="No frame of the split can be read; the first one"):
        without_damaged(whole, with_x=False, tell=pytest.fail)


def test_a_training_goes_on_without_them_if_asked(root: Path, tmp_path: Path) -> None:
    train, val = (build_dataset("vkitti2", root, split=split) for split in ("train", "val"))
    train.image_path(1).write_bytes(b"cut")
    train.label_path(2).unlink()
    val.image_path(0).unlink()
    settings = {
        "output": tmp_path / "run",
        "data": {"root": root, "size": [32, 64]},
        "training": {"epochs": 1, "accelerator": "cpu"},
    }
    with pytest.raises(ValueError, match="files are missing"):
        fit(Recipe.model_validate(settings | {"output": tmp_path / "strict"}))
    settings["data"]["skip_damaged"] = True
    said = io.StringIO()
    fit(Recipe.model_validate(settings), console=Console(file=said, width=1000))
    assert "2 of 16 frames are left out as missing or damaged" in said.getvalue()
    assert f"1 of {len(val)} frames are left out" in said.getvalue()
    data = Data.model_validate(settings["data"])
    said = io.StringIO()
    evaluate_checkpoint(settings["output"], data, console=Console(file=said, width=1000))
    assert f"1 of {len(val)} frames are left out" in said.getvalue()
    assert f"on {len(val) - 1} images" in said.getvalue()
