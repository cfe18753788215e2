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
from lix.runs.damaged import leave_out_damaged
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from lix.training.fit import fit


@pytest.fixture
def root(streets: Path, tmp_path: Path) -> Path:
    shutil.copytree(streets, tmp_path / "data")
    return tmp_path / "data"


def test_damaged_frames_are_left_out_and_named(root: Path, tmp_path: Path) -> None:
    whole = build_dataset("vkitti2", root, split="train")
    whole.image_path(whole.ids[2]).write_bytes(b"cut")
    whole.label_path(whole.ids[5]).write_bytes(b"")
    whole.x_sources[0].path(whole.ids[7]).unlink()
    warnings: list[str] = []
    kept = build_dataset("vkitti2", root, split="train")
    leave_out_damaged(kept, with_x=False, warn=warnings.append)
    assert kept.ids == [name for i, name in enumerate(whole.ids) if i not in (2, 5)]
    assert warnings[0].startswith("2 of 16 frames are left out as missing or damaged: ")
    assert whole.ids[2] in warnings[0]
    assert whole.ids[5] in warnings[0]
    leave_out_damaged(kept, with_x=True, warn=warnings.append)
    assert kept.ids == [name for i, name in enumerate(whole.ids) if i not in (2, 5, 7)]
    cache = Cache(kept, tmp_path / "cache", (48, 96))
    for frame in (kept.ids[0], kept.ids[3], kept.ids[12]):
        before = whole.read(frame, with_x=False)
        for sample in (kept.read(frame, with_x=True), cache.read(frame, with_x=True)):
            assert sample.id == frame
            assert torch.equal(sample.image, before.image)
            assert torch.equal(sample.target, before.target)
            assert len(sample.x) == 1


def test_whole_data_stay_as_they_are_and_none_is_an_error(root: Path) -> None:
    whole = build_dataset("vkitti2", root, split="val")
    frames = whole.ids
    leave_out_damaged(whole, with_x=True, warn=pytest.fail)
    assert whole.ids is frames
    for frame in frames:
        whole.image_path(frame).write_bytes(b"cut")
    with pytest.raises(ValueError, match="No frame of the split can be read; the first one"):
        leave_out_damaged(whole, with_x=False, warn=pytest.fail)


def test_a_training_goes_on_without_them_if_asked(root: Path, tmp_path: Path) -> None:
    train, val = (build_dataset("vkitti2", root, split=split) for split in ("train", "val"))
    train.image_path(train.ids[1]).write_bytes(b"cut")
    train.label_path(train.ids[2]).unlink()
    val.image_path(val.ids[0]).unlink()
    settings = {
        "output": tmp_path / "run",
        "data": {"root": root, "size": [32, 64]},
        "training": {"epochs": 1, "accelerator": "cpu"},
    }
    with pytest.raises(ValueError, match="files are missing"):
        fit(Recipe.model_validate(settings | {"output": tmp_path / "strict"}))
    settings["data"]["skip_damaged"] = True
    printed = io.StringIO()
    fit(Recipe.model_validate(settings), console=Console(file=printed, width=1000))
    assert "2 of 16 frames are left out as missing or damaged" in printed.getvalue()
    assert f"1 of {len(val)} frames are left out" in printed.getvalue()
    data = Data.model_validate(settings["data"])
    printed = io.StringIO()
    evaluate_checkpoint(settings["output"], data, console=Console(file=printed, width=1000))
    assert f"1 of {len(val)} frames are left out" in printed.getvalue()
    assert f"on {len(val) - 1} images" in printed.getvalue()
