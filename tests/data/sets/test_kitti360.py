"""KITTI-360: the authors' lists, label ids, stereo pairs and camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lix.data.sets.kitti360 import KITTI360
from tests.data.frames import read
from tests.data.sets.contract import Case, save

SIZE = (6, 10)
DRIVES = ["2013_05_28_drive_0000_sync", "2013_05_28_drive_0002_sync"]
SPLITS = {
    "train": [f"{DRIVES[0]}/image_00/0000000250", f"{DRIVES[1]}/image_00/0000004391"],
    "val": [f"{DRIVES[0]}/image_00/0000000386"],
}
UNLABELLED = f"{DRIVES[0]}/image_00/0000000251"
CALIBRATION = """P_rect_00: 552.554261 0 682.049453 0 0 552.554261 238.769549 0 0 0 1 0
R_rect_00: 1 0 0 0 1 0 0 0 1
"""


def labels() -> NDArray[np.uint8]:
    return (np.arange(60) % 45).astype(np.uint8).reshape(SIZE)


def image_of(frame: str) -> str:
    drive, camera, number = frame.split("/")
    return f"data_2d_raw/{drive}/{camera}/data_rect/{number}.png"


def label_of(frame: str) -> str:
    drive, camera, number = frame.split("/")
    return f"data_2d_semantics/train/{drive}/{camera}/semantic/{number}.png"


def write(root: Path) -> Path:
    labelled = [frame for frames in SPLITS.values() for frame in frames]
    for number, frame in enumerate([*labelled, UNLABELLED]):
        image = np.full((*SIZE, 3), 90 + number, np.uint8)
        for view in (frame, frame.replace("image_00", "image_01")):
            save(root / image_of(view), image)
        if frame in labelled:
            save(root / label_of(frame), labels())
    for split, frames in SPLITS.items():
        lines = [f"{image_of(frame)} {label_of(frame)}" for frame in frames]
        path = root / "data_2d_semantics/train" / f"2013_05_28_drive_{split}_frames.txt"
        path.write_text("\n".join(lines) + "\n")
    (root / "calibration").mkdir()
    (root / "calibration/perspective.txt").write_text(CALIBRATION)
    return root


CASE = Case(write, train=2, val=1, images=4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "KITTI-360")


def test_the_lists_of_the_authors(root: Path) -> None:
    assert KITTI360(root).ids == SPLITS["train"]
    assert KITTI360(root, split="val").ids == SPLITS["val"]
    assert KITTI360(root, drives=DRIVES[1]).ids == SPLITS["train"][1:]
    with pytest.raises(ValueError, match=r"Unknown drive of these frames 'x'"):
        KITTI360(root, drives="x")


def test_drives_that_are_not_downloaded_say_the_fix(root: Path) -> None:
    (root / image_of(SPLITS["train"][1])).unlink()
    with pytest.raises(ValueError, match=r"1 of 2 image files are missing.*data\.options\.drives"):
        KITTI360(root)
    assert KITTI360(root, drives=DRIVES[0]).ids == SPLITS["train"][:1]


def test_label_ids_become_cityscapes_classes(root: Path) -> None:
    target = read(KITTI360(root), 0).target
    ids = dict(zip(labels().ravel().tolist(), target.ravel().tolist(), strict=True))
    names = {i: KITTI360.classes[t] for i, t in ids.items() if t != 255}
    assert (names[7], names[34], names[35], names[37]) == ("road", "building", "fence", "pole")
    assert all(ids[i] == 255 for i in (0, 9, 29, 36, 38, 44))


def test_camera_and_conditions(root: Path) -> None:
    data = KITTI360(root)
    camera = read(data, 0).intrinsics
    assert camera is not None
    assert camera[0].tolist() == pytest.approx([552.554261, 0, 682.049453])
    assert data.conditions(data.ids[0]) == {}


def test_a_list_of_something_else_is_named(root: Path) -> None:
    path = root / "data_2d_semantics/train/2013_05_28_drive_train_frames.txt"
    path.write_text("a.png b.png\n")
    with pytest.raises(
        ValueError, match=r"train_frames\.txt names no images of data_2d_raw; unpack"
    ):
        KITTI360(root)
