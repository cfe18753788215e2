"""FMB: its folders, and what its label 0 is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lix.data.modalities import Channels
from lix.data.sets.fmb import FMB
from tests.data.frames import plain
from tests.data.sets.contract import Case, save
from tests.data.sets.modality_folders import SIZE, pixels, write

LABELS, INFRARED = partial(pixels, top=15), partial(pixels, top=200)


def make(root: Path) -> Path:
    arrays = {"Label/{}.png": LABELS, "Infrared/{}.png": INFRARED}
    write(root / "train", ["00002", "00003", "00004"], "Visible/{}.png", arrays)
    write(root / "test", ["00001"], "Visible/{}.png", arrays, first=3)
    return root


CASE = Case(make, train=3, val=1, images=4)


def test_fourteen_classes_and_infrared(tmp_path: Path) -> None:
    data = FMB(make(tmp_path))
    assert data.ids == ["train/00002", "train/00003", "train/00004"]
    assert (len(data.classes), data.classes[0], data.classes[13]) == (14, "road", "pole")
    sample = data.read("train/00003", with_x=True)
    assert np.array_equal(sample.target, np.where(LABELS(1) == 0, 255, LABELS(1).astype(int) - 1))
    assert isinstance(sample.x[0], Channels)
    assert np.allclose(plain(sample.x[0])[0], INFRARED(1) / 255)


def test_background_can_be_a_class(tmp_path: Path) -> None:
    data = FMB(make(tmp_path), unlabelled="class")
    assert (len(data.classes), data.classes[0]) == (15, "background")
    assert np.array_equal(data.read_target("train/00002"), LABELS(0))


def test_infrared_of_three_channels_says_so(tmp_path: Path) -> None:
    data = FMB(make(tmp_path))
    save(tmp_path / "train/Infrared/00002.png", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(ValueError, match=r"00002\.png holds uint8 of shape \(6, 8, 3\), but"):
        data.read("train/00002", with_x=True)
