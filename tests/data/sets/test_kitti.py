"""KITTI Semantics: label ids, the LiDAR's disparity, calibration and the split."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lix.data.modalities import Disparity
from lix.data.sets.kitti import CALIBRATION, KITTI
from lix.data.splits import split_names
from tests.data.frames import intrinsics, plain, read, target
from tests.data.sets.contract import Case, save, write_list
from tests.data.sets.test_cityscapes import LABELS, TARGET

SIZES = [(8, 16), (9, 15), (8, 14), (7, 13)]
"""The images of KITTI differ in size, and so do these."""
IDS = [f"{number:06d}_10" for number in range(len(SIZES))]
TEXT = """calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_rect_02: 1.242000e+03 3.750000e+02
R_rect_02: 9.998817e-01 1.511453e-02 -2.841595e-03 -1.511724e-02 9.998853e-01 -9.338510e-04 0 0 1
P_rect_02: 7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01 0.000000e+00 7.305377e+02 \
1.728540e+02 2.163791e-01 0.000000e+00 0.000000e+00 1.000000e+00 2.745884e-03
P_rect_03: 7.215377e+02 0.000000e+00 6.095593e+02 -3.395242e+02 0.000000e+00 7.215377e+02 \
1.728540e+02 2.199936e+00 0.000000e+00 0.000000e+00 1.000000e+00 2.729905e-03
"""
CAMERA = [[721.5377, 0, 609.5593], [0, 730.5377, 172.854], [0, 0, 1]]


def sized(values: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    return np.resize(values, size)


def disparity(size: tuple[int, int]) -> np.ndarray[Any, Any]:
    values = (np.arange(size[0] * size[1]).reshape(size) * 333).astype(np.uint16)
    values[0] = 0
    return values


def write(root: Path) -> Path:
    """Write what data_semantics, data_scene_flow and its calibration unpack to in one folder."""
    training = root / "training"
    (training / "calib_cam_to_cam").mkdir(parents=True)
    for number, (name, size) in enumerate(zip(IDS, SIZES, strict=True)):
        image = np.full((*size, 3), (90 + number, 100, 110), np.uint8)
        for folder in ("training/image_2", "training/image_3", "testing/image_2"):
            save(root / folder / f"{name}.png", image)
            save(root / folder / f"{name[:-3]}_11.png", image)  # the second time step
        save(training / "semantic" / f"{name}.png", sized(LABELS, size))
        save(training / "semantic_rgb" / f"{name}.png", image)
        save(training / "disp_occ_0" / f"{name}.png", disparity(size))
        (training / "calib_cam_to_cam" / f"{name[:-3]}.txt").write_text(TEXT)
    return root


CASE = Case(write, train=3, val=1, images=4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "kitti")


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    return write_list(tmp_path / "lists", IDS)


def test_images_of_several_sizes(root: Path, lists: Path) -> None:
    data = KITTI(root, lists=lists)
    assert data.ids == IDS
    for index, size in enumerate(SIZES):
        sample = data.read(data.ids[index], with_x=True)
        assert sample.id == IDS[index]
        assert sample.image.shape == (3, *size)
        assert sample.image[:, 0, 0].tolist() == [90 + index, 100, 110]
        assert np.array_equal(sample.target.numpy(), sized(TARGET, size))
        assert sample.target.dtype == torch.int64
        assert sample.intrinsics is not None
        torch.testing.assert_close(sample.intrinsics, torch.tensor(CAMERA))


def test_disparity_of_the_lidar(root: Path, lists: Path) -> None:
    x = read(KITTI(root, lists=lists), 1, with_x=True).x[0]
    assert isinstance(x, Disparity)
    assert plain(x)[0, 0].isnan().all()
    expected = torch.from_numpy(disparity(SIZES[1])[1:].astype(np.float32) / 256)
    assert torch.equal(plain(x)[0, 1:], expected)


def test_three_of_four_train() -> None:
    train, val = split_names([f"{number:06d}_10" for number in range(200)], 0.25)
    assert (len(train), len(val)) == (150, 50)
    assert hashlib.sha256("\n".join(val).encode()).hexdigest().startswith("02e905ea235b9596")


def test_split_covers_all(root: Path) -> None:
    train, val = KITTI(root).ids, KITTI(root, split="val").ids
    assert (len(train), len(val)) == (3, 1)
    assert sorted(train + val) == IDS


@pytest.mark.parametrize(
    ("value", "cause"), [(255, "the label 255, .* 0 to 33"), (34, "counting from 1")]
)
def test_labels_from_another_table(root: Path, lists: Path, value: int, cause: str) -> None:
    labels = sized(LABELS, SIZES[0]).copy()
    labels[2, 3] = value
    save(root / "training/semantic" / f"{IDS[0]}.png", labels)
    with pytest.raises(ValueError, match=rf"semantic.000000_10\.png has .*{cause}[^\n]*\.$"):
        target(KITTI(root, lists=lists), 0)


@pytest.mark.parametrize("folder", CALIBRATION[1:])
def test_calibration_elsewhere(root: Path, lists: Path, folder: str) -> None:
    shutil.copytree(root / "training/calib_cam_to_cam", root / folder)
    shutil.rmtree(root / "training/calib_cam_to_cam")
    matrix = intrinsics(KITTI(root, lists=lists), 2)
    assert matrix is not None
    torch.testing.assert_close(matrix, torch.tensor(CAMERA))
    shutil.rmtree(root / folder)
    assert read(KITTI(root, lists=lists), 2, with_x=False).intrinsics is None


@pytest.mark.parametrize("text", ["", "P_rect_02: 1 2 3", "P_rect_02: " + "a " * 12])
def test_damaged_calibration(root: Path, lists: Path, text: str) -> None:
    (root / "training/calib_cam_to_cam/000000.txt").write_text(text)
    with pytest.raises(ValueError, match=r"000000\.txt has no line `P_rect_02:` of 12 numbers; "):
        intrinsics(KITTI(root, lists=lists), 0)
