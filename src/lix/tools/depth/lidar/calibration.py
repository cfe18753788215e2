"""Calibration of a camera and a LiDAR: a short YAML, KITTI's files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from lix.core.errors import DataError
from lix.data.readers import read_text, reading
from lix.data.yaml_files import load_yaml

Matrix = NDArray[np.float64]
RAW = ("calib_velo_to_cam.txt", "calib_cam_to_cam.txt")
"""Files of a day of KITTI raw."""
COLOUR_CAMERA = 2
"""KITTI's left colour camera."""
Row4 = tuple[float, float, float, float]
Row3 = tuple[float, float, float]


@dataclass(frozen=True)
class Calibration:
    """A pinhole camera, with or without distortion, and the place of the LiDAR."""

    intrinsics: Matrix
    """(3, 3), pixels."""
    lidar_to_camera: Matrix
    """(4, 4) metres; the camera looks along z, x is right and y down."""
    distortion: Matrix = field(default_factory=lambda: np.zeros(5))
    """Coefficients in OpenCV's order, k1 k2 p1 p2 k3 …."""
    lidar_to_body: Matrix = field(default_factory=lambda: np.eye(4))
    """(4, 4) metres, to what the poses are of."""


class _File(BaseModel):
    """The YAML file of a calibration."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    intrinsics: tuple[Row3, Row3, Row3]
    lidar_to_camera: tuple[Row4, Row4, Row4, Row4]
    distortion: tuple[float, ...] = ()
    lidar_to_body: tuple[Row4, Row4, Row4, Row4] | None = None


def read_calibration(path: Path, image: Path) -> Calibration:
    """Read a calibration.

    Args:
        path: a YAML file; KITTI object's file of a frame; or a folder of KITTI raw, with
            `calib_velo_to_cam.txt` and `calib_cam_to_cam.txt`.
        image: the image; of KITTI's cameras that in whose folder it lies, as in `image_03`, counts,
            else the left colour camera.

    Raises:
        DataError: missing or wrong; the sentence names the entry.
    """
    if path.is_dir():
        missing = [name for name in RAW if not (path / name).is_file()]
        if missing:
            raise DataError(
                f"{path} lacks {' and '.join(missing)}; name a YAML file, a day's folder of "
                "KITTI raw, or one with the tables of nuScenes.",
                path,
                kind="calibration",
            )
        calibration = _kitti_raw(path, _camera(image))
    elif path.suffix.lower() == ".txt":
        calibration = _kitti_object(path, _camera(image))
    else:
        calibration = _yaml(path)
    return checked(calibration, path)


def checked(calibration: Calibration, path: Path) -> Calibration:
    """The calibration, if its matrices are those of a camera and of rigid motions.

    Raises:
        DataError: they are not; the sentence names the entry.
    """
    focal = np.diag(calibration.intrinsics)[:2]
    if (focal <= 0).any() or not np.allclose(calibration.intrinsics[2], (0, 0, 1)):
        raise _wrong(path, "intrinsics is not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    for name in ("lidar_to_camera", "lidar_to_body"):
        matrix = getattr(calibration, name)
        turn = matrix[:3, :3]
        is_rigid = np.allclose(turn @ turn.T, np.eye(3), atol=0.01) and np.linalg.det(turn) > 0
        if not is_rigid or not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise _wrong(path, f"{name} is not a rotation and a translation")
    if len(calibration.distortion) not in (4, 5, 8, 12, 14):
        raise _wrong(path, "distortion must have 4, 5, 8, 12 or 14 coefficients")
    return calibration


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}; correct the entry.", path, kind="calibration")


def _yaml(path: Path) -> Calibration:
    with reading(path):
        entries = load_yaml(path) or {}
    try:
        file = _File.model_validate(entries)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise _wrong(path, f"{where}: {first['msg']}") from None
    more = {}
    if file.distortion:
        more["distortion"] = np.array(file.distortion)
    if file.lidar_to_body:
        more["lidar_to_body"] = np.array(file.lidar_to_body)
    return Calibration(np.array(file.intrinsics), np.array(file.lidar_to_camera), **more)


def _camera(image: Path) -> int:
    """Number of KITTI's camera that took an image, by its folder."""
    for part in reversed(image.parts[:-1]):
        match = re.fullmatch(r"image_0?(\d)", part)
        if match:
            return int(match[1])
    return COLOUR_CAMERA


def _kitti_raw(folder: Path, camera: int) -> Calibration:
    velodyne, cameras = (_numbers(folder / name) for name in RAW)
    moved = np.eye(4)
    moved[:3, :3] = _entry(velodyne, "R", (3, 3), folder / RAW[0])
    moved[:3, 3] = _entry(velodyne, "T", (3,), folder / RAW[0])
    turn = _entry(cameras, "R_rect_00", (3, 3), folder / RAW[1])
    projection = _entry(cameras, f"P_rect_0{camera}", (3, 4), folder / RAW[1])
    return _rectified(projection, turn, moved)


def _kitti_object(path: Path, camera: int) -> Calibration:
    entries = _numbers(path)
    moved = np.eye(4)
    moved[:3] = _entry(entries, "Tr_velo_to_cam", (3, 4), path)
    turn = _entry(entries, "R0_rect", (3, 3), path)
    return _rectified(_entry(entries, f"P{camera}", (3, 4), path), turn, moved)


def _rectified(projection: Matrix, turn: Matrix, moved: Matrix) -> Calibration:
    """Projection (3, 4) = K [1 | t] of the rectified camera 0; `moved` takes points to it."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix = matrix @ moved
    intrinsics = projection[:, :3]
    matrix[:3, 3] += np.linalg.solve(intrinsics, projection[:, 3])
    return Calibration(intrinsics, matrix)


def _numbers(path: Path) -> dict[str, list[float]]:
    """The lines `NAME: numbers` of a file of KITTI."""
    entries = {}
    for line in read_text(path).splitlines():
        name, colon, values = line.partition(":")
        try:
            entries[name.strip()] = [float(value) for value in values.split()] if colon else []
        except ValueError:
            continue  # such as calib_time: 09-Jan-2012 13:57:47
    return entries


def _entry(
    entries: dict[str, list[float]], name: str, shape: tuple[int, ...], path: Path
) -> Matrix:
    values = np.array(entries.get(name, []))
    if values.size != np.prod(shape) or not np.isfinite(values).all():
        raise _wrong(path, f"{name} is not {'x'.join(map(str, shape))} numbers")
    return values.reshape(shape)
