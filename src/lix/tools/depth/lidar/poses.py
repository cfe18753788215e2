"""Poses of a vehicle, and the times of files: sweeps are moved to the moment of an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import DataError
from lix.data.readers import read_text, reading

LISTS = ("timestamps.txt", "times.txt")
"""Files with the time of each file of the folder next to them or around them, a line each."""
UNITS = ((17, 1e9), (14, 1e6), (11, 1e3))
"""Digits of a whole number from which on it counts ns, µs and ms since 1970."""
SLACK = 0.2
"""Seconds before the first and after the last pose in which the nearest one stands."""


class Poses:
    """Poses over time.

    Args:
        times: (N,) seconds, growing.
        places: (N, 3) metres in the world.
        turns: (N, 4) unit quaternions x, y, z, w from the body to the world.
    """

    def __init__(
        self, times: NDArray[np.float64], places: NDArray[np.float64], turns: NDArray[np.float64]
    ) -> None:
        self.times, self.places, self.turns = times, places, turns

    @classmethod
    def of(cls, table: NDArray[np.float64]) -> Poses:
        """Poses of rows time, x, y, z, qx, qy, qz, qw in any order; the first of a time counts."""
        table = table[np.argsort(table[:, 0], kind="stable")]
        table = table[np.diff(table[:, 0], prepend=-np.inf) > 0]
        return cls(table[:, 0], table[:, 1:4], table[:, 4:])

    def at(self, time: float) -> NDArray[np.float64]:
        """Pose (4, 4) at a time in seconds: linear between places and, in effect, between turns.

        Raises:
            ValueError: no pose is near.
        """
        if not self.times[0] - SLACK <= time <= self.times[-1] + SLACK:
            raise ValueError(
                f"the poses reach from {self.times[0]:.3f} to {self.times[-1]:.3f} s, but the "
                f"time is {time:.3f} s; name the poses of this drive."
            )
        after = int(np.searchsorted(self.times, time).clip(1, len(self.times) - 1))
        before = after - 1
        share = (time - self.times[before]) / (self.times[after] - self.times[before])
        share = float(np.clip(share, 0, 1))
        pose = np.eye(4)
        pose[:3, :3] = rotation(_between(self.turns[before], self.turns[after], share))
        pose[:3, 3] = (1 - share) * self.places[before] + share * self.places[after]
        return pose

    def moved(self, start: float, end: float) -> NDArray[np.float64]:
        """(4, 4) from the body's frame at `start` to its frame at `end`, both in seconds."""
        return np.linalg.inv(self.at(end)) @ self.at(start)

    def sensor_moved(
        self, start: float, end: float, sensor_to_body: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """`moved`, in the frame of a sensor that is fixed to the body."""
        return np.linalg.inv(sensor_to_body) @ self.moved(start, end) @ sensor_to_body


def transformed(points: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points (N, 3) after a rigid motion (4, 4)."""
    turn = matrix.astype(np.float32)
    return points @ turn[:3, :3].T + turn[:3, 3]


def read_poses(path: Path) -> Poses:
    """Poses of a text file with lines `time x y z qx qy qz qw`: seconds, metres, quaternion.

    Raises:
        DataError: missing, or not such lines.
    """
    with reading(path):
        lines = read_text(path).splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    try:
        table = np.array(rows, np.float64).reshape(-1, 8)
        is_unit = np.abs(np.linalg.norm(table[:, 4:], axis=1) - 1) < 0.01
        is_right = len(table) > 1 and bool(np.isfinite(table).all() and is_unit.all())
    except ValueError:
        is_right = False
    if not is_right:
        raise DataError(
            f"{path} does not hold two or more lines `time x y z qx qy qz qw` with unit "
            "quaternions; write the poses so.",
            path,
            kind="poses",
        )
    return Poses.of(table)


def file_times(files: Sequence[Path]) -> dict[Path, float]:
    """Times in seconds of files of one folder.

    From `timestamps.txt` or `times.txt` next to them or in the folder around, a line for each file
    by name, seconds or `2011-09-26 13:02:25.964389445`; else the names are times, in seconds or, by
    their number of digits, in ms, µs or ns since 1970.

    Raises:
        DataError: neither.
    """
    folder = files[0].parent
    for path in (where / name for where in (folder, folder.parent) for name in LISTS):
        if path.is_file():
            lines = read_text(path).split("\n")
            times = [_time(line.strip()) for line in lines if line.strip()]
            if len(times) != len(files) or None in times:
                raise DataError(
                    f"{path} needs one time for each of the {len(files)} files of {folder}; "
                    "correct it.",
                    path,
                    kind="times",
                )
            return dict(zip(sorted(files), map(float, times), strict=True))  # type: ignore[arg-type]
    named = {path: _time(path.name.removesuffix("".join(path.suffixes[-1:]))) for path in files}
    unnamed = [path for path, time in named.items() if time is None]
    if unnamed:
        raise DataError(
            f"{unnamed[0]} has no time: its name is not a number, and no {LISTS[0]} lies next to "
            "it; write one with a line for each file.",
            unnamed[0],
            kind="times",
        )
    return {path: time for path, time in named.items() if time is not None}


def _time(text: str) -> float | None:
    if re.fullmatch(r"\d+", text):
        factor = next((factor for digits, factor in UNITS if len(text) >= digits), 1.0)
        return int(text) / factor
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment, _, fraction = text.partition(".")
        date = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
        return date.timestamp() + float(f"0.{fraction or 0}")
    except ValueError:
        return None


def _between(
    first: NDArray[np.float64], last: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Quaternion between two; chord and arc differ by less than 1e-3 rad for turns below 30°."""
    mixed = (1 - share) * first + share * last * (1 if first @ last >= 0 else -1)
    return mixed / np.linalg.norm(mixed)


def rotation(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation (3, 3) of a unit quaternion x, y, z, w."""
    vector, w = turn[:3], turn[3]
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross
