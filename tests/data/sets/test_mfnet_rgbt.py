"""MFNet RGB-thermal: both layouts, lists with flips, and thermal."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data import build_dataset
from lix.data.encode import encode
from lix.data.modalities import Channels, XSpec
from lix.data.sets.mfnet_rgbt import CLASSES, MFNetRGBT
from tests.data.frames import plain
from tests.data.sets.contract import Case, save

SIZE = (6, 8)
NAMES = ["00001D", "00002D", "00003N", "00004N"]
LAYOUTS = {"original": ("images", "labels"), "apart": ("RGB", "Label")}


def labels_of(number: int) -> NDArray[np.uint8]:
    return ((np.arange(48).reshape(SIZE) + number) % 9).astype(np.uint8)


def thermal_of(number: int) -> NDArray[np.uint8]:
    return (np.arange(48).reshape(SIZE) * 5 + number).astype(np.uint8)


def write(root: Path, layout: str = "original") -> Path:
    images, labels = LAYOUTS[layout]
    for number, name in enumerate(NAMES):
        rgb, thermal = np.full((*SIZE, 3), 90 + number, np.uint8), thermal_of(number)
        if layout == "original":
            rgb = np.dstack([rgb, thermal])  # Pillow's RGBA
        else:
            save(root / "Thermal" / f"{name}.png", thermal)
        save(root / images / f"{name}.png", rgb)
        save(root / labels / f"{name}.png", labels_of(number))
    lists = {
        "train": "00001D\n00001D_flip\n00003N\n00003N_flip\n",
        "val": "00002D",
        "test": "00004N",
    }
    for name, text in lists.items():
        (root / f"{name}.txt").write_text(text)
    return root


CASE = Case(partial(write, layout="apart"), train=2, val=1, images=4)


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path, layout: str) -> Path:
    return write(tmp_path / "mfnet", layout)


def test_both_layouts(root: Path) -> None:
    data = MFNetRGBT(root)
    assert data.ids == ["00001D", "00003N"]
    assert data.x == (XSpec("channels", 1),)
    assert len(data.classes) == len(data.palette) == 9
    for index, number in enumerate([0, 2]):
        sample = data.read(data.ids[index], with_x=True)
        assert sample.image.shape == (3, *SIZE)
        assert (sample.image == 90 + number).all()
        assert np.array_equal(sample.target.numpy(), labels_of(number))
        assert isinstance(sample.x[0], Channels)
        expected = torch.from_numpy(thermal_of(number).astype(np.float32))[None] / 255
        torch.testing.assert_close(plain(sample.x[0]), expected)
        assert torch.equal(encode(sample.x[0]), plain(sample.x[0]))
        assert sample.intrinsics is None


def test_folders_in_any_case(tmp_path: Path) -> None:
    root = write(tmp_path, "apart")
    (root / "Label").rename(root / "label")
    assert len(MFNetRGBT(root)) == 2


def test_unlabelled_can_be_ignored(root: Path) -> None:
    data = MFNetRGBT(root, unlabelled="ignore")
    assert data.classes == tuple(CLASSES)[1:]
    expected = np.where(labels_of(0) == 0, 255, labels_of(0).astype(int) - 1)
    assert np.array_equal(data.read_target(data.ids[0]), expected)


def test_lists(root: Path, tmp_path: Path) -> None:
    assert MFNetRGBT(root, split="val").ids == ["00002D"]
    assert build_dataset("mfnet_rgbt", root, split="val", val_list="test").ids == ["00004N"]
    assert MFNetRGBT(root, split="test").ids == ["00004N"]
    assert MFNetRGBT(root, val_list="test").ids == ["00001D", "00003N"]
    (tmp_path / "train.txt").write_text("00002D\r\n00004N")
    assert MFNetRGBT(root, lists=tmp_path).ids == ["00002D", "00004N"]


def test_flips_that_exist_are_frames(root: Path, layout: str) -> None:
    for folder in ("Thermal", *LAYOUTS[layout]):
        if (root / folder).is_dir():
            shutil.copy(root / folder / "00001D.png", root / folder / "00001D_flip.png")
    assert MFNetRGBT(root).ids == ["00001D", "00001D_flip", "00003N"]


def test_names_say_day_or_night(root: Path) -> None:
    data = MFNetRGBT(root)
    assert [dict(data.conditions(frame)) for frame in ("00001D", "00003N", "00003N_flip")] == [
        {"time": "day"},
        {"time": "night"},
        {"time": "night"},
    ]


def test_what_is_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"has neither images and labels nor RGB and Label; unpack"
    ):
        MFNetRGBT(tmp_path)
    with pytest.raises(ValueError, match=r"test_night\.txt is missing; check"):
        MFNetRGBT(root, split="val", val_list="test_night")
    (root / "train.txt").write_text("00009D_flip\n")
    with pytest.raises(ValueError, match=r"train\.txt lists no frame; write a name such as 00001D"):
        MFNetRGBT(root)


def test_labels_that_are_no_class(root: Path) -> None:
    data = MFNetRGBT(root)
    save(data.label_path(data.ids[0]), np.full(SIZE, 9, np.uint8))
    with pytest.raises(
        ValueError, match=r"00001D\.png has the label 9, .*labels are 0 to 8"
    ) as caught:
        data.read(data.ids[0], with_x=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint16)],
    ids=["three channels", "16 bits"],
)
def test_thermal_that_a_tool_changed(tmp_path: Path, wrong: NDArray[Any]) -> None:
    data = MFNetRGBT(write(tmp_path, "apart"))
    save(tmp_path / "Thermal/00001D.png", wrong)
    with pytest.raises(ValueError, match=r"00001D\.png holds uint.*a tool dropped or changed it"):
        data.read(data.ids[0], with_x=True)
    assert data.read(data.ids[0], with_x=False).x == ()


def test_image_that_lost_its_fourth_channel(tmp_path: Path) -> None:
    data = MFNetRGBT(write(tmp_path))
    save(tmp_path / "images/00001D.png", np.zeros((*SIZE, 3), np.uint8))
    assert data.read(data.ids[0], with_x=False).x == ()
    with pytest.raises(ValueError, match=r"thermal is one channel of 8 bits, or the fourth"):
        data.read(data.ids[0], with_x=True)
