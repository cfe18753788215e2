"""ORFD: folders, labels, depth and calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data import build_dataset
from lix.data.modalities import Depth
from lix.data.sets.orfd import ORFD
from lix.data.splits import split_names
from lix.tools.split import frames_of, write_lists
from tests.data.frames import plain, read
from tests.data.sets.contract import Case, save

SIZE = (6, 8)
FRAMES = {
    "training": ["c2021_0228_1819/1620324535892", "y0613_1242/1623721491895"],
    "validation": ["y0613_1242/1623721492191"],
    "testing": ["x0613_1627/1623721491991"],
}
CALIB = """cam_K: 1487.752825 0.0 625.011716 0.0 1471.063437 376.483801 0.0 0.0 1.0
cam_RT: 1.0 0.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 0.0 1.0
lidar_R: 1 0 0 0 1 0 0 0 1
lidar_T: 0 0 0
"""


def greys() -> NDArray[np.uint8]:
    """255 = traversable, 128 = unreachable, such as the sky, 0 = the rest."""
    return np.array([0, 128, 200, 201, 255, 255], np.uint8)[:, None].repeat(SIZE[1], 1)


def depths() -> NDArray[np.uint16]:
    values = (np.arange(48).reshape(SIZE) * 500 + 1413).astype(np.uint16)
    values[0] = 0
    return values


def write(root: Path) -> Path:
    for split, frames in FRAMES.items():
        for number, frame in enumerate(frames):
            sequence, name = frame.split("/")
            folder = root / split / sequence
            save(folder / f"image_data/{name}.png", np.full((*SIZE, 3), 90 + number, np.uint8))
            save(folder / f"gt_image/{name}_fillcolor.png", greys())
            save(folder / f"dense_depth/{name}.png", depths())
            (folder / "calib").mkdir(exist_ok=True)
            (folder / f"calib/{name}.txt").write_text(CALIB)
            (folder / "lidar_data").mkdir(exist_ok=True)
    return root


CASE = Case(write, train=2, val=1, images=4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "ORFD")


def test_reads_image_label_depth_and_camera(root: Path) -> None:
    data = ORFD(root)
    assert data.ids == FRAMES["training"]
    assert data.classes == ("not traversable", "traversable")
    sample = data.read(data.ids[1], with_x=True)
    assert (sample.image == 91).all()
    assert sample.target[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert isinstance(sample.x[0], Depth)
    assert plain(sample.x[0])[0, 0].isnan().all()
    expected = torch.from_numpy(depths().astype(np.float32))[1:] / 256
    assert torch.equal(plain(sample.x[0])[0, 1:], expected)
    assert sample.intrinsics is not None
    torch.testing.assert_close(
        sample.intrinsics,
        torch.tensor([[1487.752825, 0, 625.011716], [0, 1471.063437, 376.483801], [0, 0, 1]]),
    )
    assert data.sequence(data.ids[1]) == "y0613_1242"


@pytest.mark.parametrize("colour", [(0, 0, 255), (255, 255, 255)])
def test_labels_in_colour(root: Path, colour: tuple[int, int, int]) -> None:
    data = ORFD(root)
    label = np.zeros((*SIZE, 3), np.uint8)
    label[:2], label[2:4] = (255, 0, 0), colour
    save(data.label_path(data.ids[0]), label)
    assert data.read_target(data.ids[0])[:, 0].tolist() == [0, 0, 1, 1, 0, 0]


def test_splits(root: Path) -> None:
    assert ORFD(root, split="val").ids == FRAMES["validation"]
    assert build_dataset("orfd", root, split="val", val_folder="testing").ids == FRAMES["testing"]
    assert ORFD(root, split="test").ids == FRAMES["testing"]
    assert ORFD(root, val_folder="testing").ids == FRAMES["training"]


def test_lists(root: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    names, sequence = frames_of("orfd", root, {})
    assert names == sorted(FRAMES["training"] + FRAMES["validation"])  # test is kept out
    write_lists(lists, *split_names(names, 0.3, sequence=sequence))
    train, val = (build_dataset("orfd", root, split=s, lists=lists) for s in ("train", "val"))
    assert sorted(train.ids + val.ids) == names
    assert not {*map(sequence, train.ids)} & {*map(sequence, val.ids)}
    tested, validated = FRAMES["testing"][0], FRAMES["validation"][0]
    (lists / "val.txt").write_text(f"{tested}\n{validated}\n")
    val = ORFD(root, split="val", lists=lists)
    assert val.ids == [tested, validated]
    assert val.label_path(val.ids[0]).is_relative_to(root / "testing")
    assert val.label_path(val.ids[1]).is_relative_to(root / "validation")
    sample = val.read(val.ids[0], with_x=True)
    assert sample.intrinsics is not None
    assert isinstance(sample.x[0], Depth)
    (lists / "val.txt").write_text("nothing\n")
    with pytest.raises(ValueError, match=r"val\.txt lists 'nothing', which is not a frame here"):
        ORFD(root, split="val", lists=lists)
    with pytest.raises(FileNotFoundError, match=r"nowhere is missing; set data\.root"):
        ORFD(tmp_path / "nowhere", lists=lists)


def test_calibration_that_is_missing_or_damaged(root: Path) -> None:
    data = ORFD(root)
    path = root / "training" / data.ids[0].replace("/", "/calib/")
    path.with_suffix(".txt").write_text("cam_K: 1 2 3\n")
    with pytest.raises(ValueError, match=r"has no line `cam_K:` with nine numbers; restore"):
        data.read(data.ids[0], with_x=False)
    path.with_suffix(".txt").unlink()
    assert data.read(data.ids[0], with_x=False).intrinsics is None


@pytest.mark.parametrize(
    ("part", "array", "message"),
    [
        ("gt_image", np.ones(SIZE, np.uint8), "no value above 1, .*they are not class ids"),
        ("gt_image", greys()[:3], "the label is 3x8 but the image is 6x8"),
        ("dense_depth", greys(), "holds uint8, not uint16"),
        ("dense_depth", depths()[:, :4], "the X is 6x4 but the image is 6x8"),
    ],
)
def test_damaged_files(root: Path, part: str, array: NDArray[Any], message: str) -> None:
    for path in root.glob(f"training/*/{part}/*.png"):
        save(path, array)
    with pytest.raises(ValueError, match=message) as caught:
        read(ORFD(root), 0, with_x=True)
    assert "\n" not in str(caught.value)
