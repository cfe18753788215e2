"""A wall and a board before it, seen by a camera and, from above, by a LiDAR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from lix.tools.depth.lidar.calibration import Calibration

SIZE = (60, 80)
INTRINSICS = np.array([[50.0, 0, 39.5], [0, 50.0, 29.5], [0, 0, 1]])
WALL, BOARD = 20.0, 5.0


def calibration(above: float = 0.0, **more: Any) -> Calibration:
    """x ahead, y left, z up; the LiDAR is so many metres above the camera."""
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
    matrix[1, 3] = -above
    return Calibration(INTRINSICS, matrix, **more)


def cloud(above: float = 0.0) -> np.ndarray:
    """Points (N, 4): the wall at 20 m and, where a ray meets it first, the board at 5 m."""
    slopes = np.meshgrid(np.linspace(-1, 1, 151), np.linspace(-0.9, 0.7, 61))
    aside, up = (axis.ravel() for axis in slopes)
    is_board = (np.abs(BOARD * aside) < 1) & (np.abs(BOARD * up + above) < 1)
    ahead = np.where(is_board, BOARD, WALL)
    points = np.stack([ahead, aside * ahead, up * ahead, 0 * ahead], axis=1)
    return points.astype(np.float32)


def write_calibration(path: Path, made: Calibration, **more: Any) -> None:
    entries = {
        "intrinsics": made.intrinsics.tolist(),
        "lidar_to_camera": made.lidar_to_camera.tolist(),
        **more,
    }
    path.write_text(yaml.safe_dump(entries))


def write_frames(root: Path, names: tuple[str, ...] = ("0", "1")) -> Path:
    """image/N.png, velodyne/N.bin and calib.yaml."""
    for folder in ("image", "velodyne"):
        (root / folder).mkdir(parents=True)
    for name in names:
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(root / "image" / f"{name}.png")
        cloud().tofile(root / "velodyne" / f"{name}.bin")
    write_calibration(root / "calib.yaml", calibration())
    return root


OPTIONS = {"points": "velodyne/*.bin", "calibration": "calib.yaml"}
