"""Calibrations: the YAML and KITTI's files give the same projection, wrong ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lix.tools.depth.lidar.calibration import read_calibration
from tests.tools.depth.conftest import one_sentence
from tests.tools.depth.lidar.scene import INTRINSICS, calibration, write_calibration

P2 = np.array([[700.0, 0, 600, 45], [0, 700.0, 170, -0.3], [0, 0, 1, 0.005]])
P3 = P2 + np.array([[0.0, 0, 0, -380], [0, 0, 0, 2.5], [0, 0, 0, 0]])
TURN = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
SHIFT = np.array([0.01, -0.08, -0.27])
RECTIFY = np.array([[np.cos(0.01), -np.sin(0.01), 0], [np.sin(0.01), np.cos(0.01), 0], [0, 0, 1]])
POINT = np.array([12.0, 3, -1, 1])


def row(name: str, values: np.ndarray) -> str:
    return f"{name}: {' '.join(f'{v:.12e}' for v in np.ravel(values))}\n"


def object_file(folder: Path) -> Path:
    path = folder / "000001.txt"
    moved = np.concatenate([TURN, SHIFT[:, None]], axis=1)
    path.write_text(
        row("P2", P2)
        + row("P3", P3)
        + row("R0_rect", RECTIFY)
        + row("Tr_velo_to_cam", moved)
        + "\n"
    )
    return path


def raw_folder(folder: Path) -> Path:
    (folder / "calib_velo_to_cam.txt").write_text(
        "calib_time: 15-Mar-2012 11:37:16\n" + row("R", TURN) + row("T", SHIFT)
    )
    (folder / "calib_cam_to_cam.txt").write_text(
        row("R_rect_00", RECTIFY) + row("P_rect_02", P2) + row("P_rect_03", P3)
    )
    return folder


@pytest.mark.parametrize("make", [object_file, raw_folder])
@pytest.mark.parametrize(("folder", "matrix"), [("image_2", P2), ("image_03/data", P3), ("x", P2)])
def test_kitti_projects_as_its_readme_says(
    make: Any, folder: str, matrix: np.ndarray, tmp_path: Path
) -> None:
    read = read_calibration(make(tmp_path), Path("training") / folder / "000001.png")
    rectified = RECTIFY @ (TURN @ POINT[:3] + SHIFT)
    expected = matrix @ np.append(rectified, 1)
    made = read.intrinsics @ (read.lidar_to_camera @ POINT)[:3]
    assert np.allclose(made, expected)
    assert not read.distortion.any()


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "calib.yaml"
    body = np.eye(4)
    body[2, 3] = 1.7
    write_calibration(
        path, calibration(), distortion=[-0.3, 0.1, 0, 0], lidar_to_body=body.tolist()
    )
    read = read_calibration(path, Path("a.png"))
    assert np.array_equal(read.intrinsics, INTRINSICS)
    assert np.array_equal(read.lidar_to_camera, calibration().lidar_to_camera)
    assert read.distortion.tolist() == [-0.3, 0.1, 0, 0]
    assert read.lidar_to_body[2, 3] == 1.7


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "key": ({"lidar_to_cam": 1}, "lidar_to_cam"),
    "shape": ({"intrinsics": [[1, 2], [3, 4]]}, "intrinsics"),
    "focal": ({"intrinsics": [[0, 0, 1], [0, 0, 1], [0, 0, 1]]}, "intrinsics is not"),
    "text": ({"distortion": ["a"]}, "distortion.0"),
    "number": ({"distortion": [0.1]}, "4, 5, 8, 12 or 14"),
    "scaled": ({"lidar_to_camera": (2 * np.eye(4)).tolist()}, "rotation and a translation"),
    "mirror": ({"lidar_to_camera": np.diag([1.0, 1, -1, 1]).tolist()}, "rotation"),
    "nan": ({"lidar_to_camera": [[float("nan")] * 4] * 4}, "lidar_to_camera"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_entries_are_one_sentence(name: str, tmp_path: Path) -> None:
    change, words = CHANGES[name]
    path = tmp_path / "calib.yaml"
    write_calibration(path, calibration())
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(ValueError, match=words) as error:
        read_calibration(path, Path("a.png"))
    assert "calib.yaml" in one_sentence(error)


def test_missing_files_and_entries(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing") as error:
        read_calibration(tmp_path / "calib.yaml", Path("a.png"))
    one_sentence(error)
    with pytest.raises(ValueError, match=r"lacks calib_velo_to_cam.txt and calib_cam") as error:
        read_calibration(tmp_path, Path("a.png"))
    one_sentence(error)
    path = object_file(tmp_path)
    with pytest.raises(ValueError, match="P1 is not 3x4 numbers") as error:
        read_calibration(path, Path("image_1/a.png"))
    one_sentence(error)
