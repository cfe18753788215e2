"""Faults in the middle of a training: one sentence, and what was trained is kept."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import get_worker_info

from lix.training.loaders import TrainingSet
from lix.training.module import SegModule
from tests.robustness.conftest import Lix

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")
def test_a_loading_process_that_dies(
    lix: Lix, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = TrainingSet.__getitem__

    def dies(self: TrainingSet, key: tuple[int, int]) -> object:
        if get_worker_info() is not None and key[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, key)

    monkeypatch.setattr(TrainingSet, "__getitem__", dies)
    words = ("train", "-r", small_recipe, "--output", tmp_path / "run", "--training.workers", 1)
    code, message = lix(*words)
    assert code == 1
    assert message.startswith("lix: A process that loads data died")
    assert (tmp_path / "run/checkpoints/last.ckpt").is_file()
    monkeypatch.setattr(TrainingSet, "__getitem__", read)
    assert lix(*words[:-2], "--resume")[0] == 0


def test_a_loss_that_becomes_nan_names_images_term_and_checkpoint(
    lix: Lix, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = SegModule.losses

    def nan(self: SegModule, batch: dict[str, object]) -> dict[str, torch.Tensor]:
        terms = losses(self, batch)
        return terms if self.current_epoch == 0 else {k: v * torch.nan for k, v in terms.items()}

    monkeypatch.setattr(SegModule, "losses", nan)
    code, message = lix("train", "-r", small_recipe, "--output", tmp_path / "run")
    assert code == 1
    assert "The loss term 'hard' became nan in epoch 2 at the images Scene" in message
    assert f"the last good checkpoint is {tmp_path / 'run/checkpoints/last.ckpt'}" in message


def test_images_without_labels_and_depth_without_values_are_trained_on(
    lix: Lix, small_recipe: Path, streets: Path, tmp_path: Path
) -> None:
    shutil.copytree(streets, tmp_path / "data")
    for number, folder in enumerate(sorted((tmp_path / "data").glob("Scene01/*/frames"))):
        for path in (folder / "classSegmentation/Camera_0").iterdir():
            if number % 2:
                Image.new("RGB", (96, 48), (0, 0, 0)).save(path)
        for path in (folder / "depth/Camera_0").iterdir():
            Image.fromarray(np.full((48, 96), 65535 * (number % 2), np.uint16)).save(path)
    words = ("train", "-r", small_recipe, "--role", "teacher", "--data.root", tmp_path / "data")
    assert lix(*words, "--output", tmp_path / "run")[0] == 0
