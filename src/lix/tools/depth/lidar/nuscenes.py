"""nuScenes' tables: the sweeps of an image, and where camera and LiDAR were at their moments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lix.core.errors import DataError
from lix.core.json_text import parse_json
from lix.data.patterns import regular
from lix.data.readers import read_text, reading
from lix.tools.depth.lidar.calibration import Calibration, Matrix, checked
from lix.tools.depth.lidar.poses import rotation

TABLES = {
    "sample": ("token", "scene_token"),
    "sample_data": (
        *("filename", "timestamp", "sample_token"),
        *("ego_pose_token", "calibrated_sensor_token"),
    ),
    "calibrated_sensor": ("token", "rotation", "translation", "camera_intrinsic"),
    "ego_pose": ("token", "rotation", "translation"),
}
"""The tables that are read, and what is read of each of their rows."""
MICROSECONDS = 1e6
"""Of a second; the unit of nuScenes' timestamps."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A point cloud of an image."""

    path: Path
    moved: Matrix
    """(4, 4) metres, from its own frame to that of the image's first sweep."""


class NuScenes:
    """The tables of one version of nuScenes, such as `v1.0-mini`.

    Args:
        folder: where the tables are.
        root: the data set's folder, from which the tables name files.
        points: pattern of the sweeps, relative to it, as in `samples/LIDAR_TOP/*.pcd.bin`.

    Raises:
        DataError: a table is missing or is not one.
    """

    def __init__(self, folder: Path, root: Path, points: str) -> None:
        self._folder, self._root, self._points = folder, root, points
        self._samples, self._sensors, self._vehicle = (
            {row["token"]: row for row in _rows(folder, name)}
            for name in ("sample", "calibrated_sensor", "ego_pose")
        )
        self._files: dict[str, Row] = {}
        self._sweeps: dict[str, list[Row]] = defaultdict(list)
        is_sweep = regular(points).fullmatch
        for row in _rows(folder, "sample_data"):
            self._files[row["filename"]] = row
            if is_sweep(row["filename"]):
                self._sweeps[self._scene(row)].append(row)

    def sweeps(self, image: Path, number: int, max_wait: float) -> tuple[Calibration, list[Sweep]]:
        """The sweeps of the image's scene that are nearest in time.

        Args:
            image: below the root.
            number: of sweeps, at most.
            max_wait: largest time in seconds between the image and the nearest sweep.

        Returns:
            The calibration of camera and first sweep, each at its own moment, and the sweeps.

        Raises:
            DataError: the tables do not have the image, or no sweep that is near.
        """
        row = self._files.get(image.relative_to(self._root).as_posix())
        if row is None:
            raise DataError(
                f"{image} is not in {self._folder / 'sample_data.json'}; name the version of "
                "nuScenes that it is of under --calibration.",
                image,
            )
        candidates = self._sweeps[self._scene(row)]
        waits = {i: abs(one["timestamp"] - row["timestamp"]) for i, one in enumerate(candidates)}
        near = sorted(waits, key=lambda i: waits[i])[:number]
        if not near or waits[near[0]] > max_wait * MICROSECONDS:
            raise DataError(
                f"{image} has no sweep {self._points} within {max_wait} s of its scene; correct "
                "--points.",
                image,
            )
        chosen = [candidates[i] for i in near]
        to_first = np.linalg.inv(self._place(chosen[0]))
        camera = np.linalg.inv(self._place(row))
        camera_matrix = np.array(self._sensor(row)["camera_intrinsic"], np.float64)
        if camera_matrix.shape != (3, 3):
            raise _broken(self._folder / "calibrated_sensor.json", f"{image} has no intrinsics")
        calibration = Calibration(camera_matrix, camera @ self._place(chosen[0]))
        return checked(calibration, self._folder / "calibrated_sensor.json"), [
            Sweep(self._root / one["filename"], to_first @ self._place(one)) for one in chosen
        ]

    def _scene(self, row: Row) -> str:
        return str(self._entry(self._samples, row["sample_token"], "sample")["scene_token"])

    def _sensor(self, row: Row) -> Row:
        return self._entry(self._sensors, row["calibrated_sensor_token"], "calibrated_sensor")

    def _place(self, row: Row) -> Matrix:
        """(4, 4) from a sensor to the world when a file was recorded."""
        vehicle = self._entry(self._vehicle, row["ego_pose_token"], "ego_pose")
        return self._pose(vehicle, "ego_pose") @ self._pose(self._sensor(row), "calibrated_sensor")

    def _pose(self, row: Row, name: str) -> Matrix:
        """(4, 4) of a translation in metres and a quaternion w, x, y, z."""
        try:
            turn = np.array(row["rotation"], np.float64).reshape(4)
            place = np.array(row["translation"], np.float64).reshape(3)
        except (ValueError, TypeError):
            turn, place = np.full(4, np.nan), np.zeros(3)
        if not abs(np.linalg.norm(turn) - 1) < 0.01 or not np.isfinite(place).all():
            raise _broken(self._folder / f"{name}.json", f"row {row['token']!r} has no pose")
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation(np.roll(turn, -1)), place
        return pose

    def _entry(self, table: Mapping[str, Row], token: str, name: str) -> Row:
        if token not in table:
            raise _broken(self._folder / f"{name}.json", f"it has no row {token!r}")
        return table[token]


def is_nuscenes(folder: Path) -> bool:
    """Whether a folder has tables of nuScenes."""
    return (folder / "calibrated_sensor.json").is_file()


def _rows(folder: Path, name: str) -> list[Row]:
    path = folder / f"{name}.json"
    with reading(path):
        text = read_text(path)
    try:
        rows: list[Row] = parse_json(text)
        is_table = all(key in row for row in rows for key in TABLES[name])
    except (ValueError, TypeError):
        is_table = False
    if not is_table:
        raise _broken(path, f"it is not a list of rows with {', '.join(TABLES[name])}")
    return rows


def _broken(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} is not a whole table of nuScenes: {reason}; unpack it again.",
        path,
        kind="calibration",
    )
