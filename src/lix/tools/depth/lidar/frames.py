"""What a LiDAR has measured for each image of a set: sweeps, calibration, poses."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import DataError
from lix.data.patterns import find_files, insert, regular, wildcards
from lix.data.readers import image_size, read_array
from lix.tools.depth.lidar.calibration import RAW, Calibration, read_calibration
from lix.tools.depth.lidar.completion import complete
from lix.tools.depth.lidar.nuscenes import TABLES, NuScenes, is_nuscenes
from lix.tools.depth.lidar.points import read_points
from lix.tools.depth.lidar.poses import Poses, file_times, read_poses, transformed
from lix.tools.depth.lidar.projection import Depth, drop_hidden, project

MAX_WAIT = 0.5
"""Largest time in seconds between an image and the nearest sweep."""


@dataclass(frozen=True)
class Options:
    """What a user says of a LiDAR; see `Lidar`."""

    points: str
    calibration: str
    poses: str | None
    sweeps: int
    sparse: bool
    guided: bool


class Frames:
    """The sweeps of images, as depth.

    Args:
        options: what the user says.
        root: the data set's folder.
        pattern: pattern of the images, relative to it.
        images: the images.
    """

    def __init__(self, options: Options, root: Path, pattern: str, images: Sequence[Path]) -> None:
        self._options, self._root = options, root
        self._expression = regular(pattern)
        self._calibration = lru_cache(maxsize=8)(read_calibration)
        self._poses: Poses | None = None
        self._tables: NuScenes | None = None
        tables = self._placed(options.calibration)
        if is_nuscenes(tables):
            if options.poses is not None:
                raise ValueError(f"{tables} has the poses of nuScenes; leave out --poses.")
            self._tables = NuScenes(tables, root, options.points)
            return
        if options.sweeps > 1 and options.poses is None:
            raise ValueError(
                f"--sweeps is {options.sweeps}; give 1, or more together with --poses, which say "
                "how to move sweeps to the moment of an image."
            )
        if options.poses is not None:
            self._poses = read_poses(self._placed(options.poses))
            self._image_times = _times(images)
        if not wildcards(options.calibration):
            self._calibration_of(images[0])

    @property
    def settings(self) -> dict[str, Any]:
        shared = {"calibration": self._options.calibration, "poses": self._options.poses}
        hashes = {f"{key}_sha256": self._hash(path) for key, path in shared.items()}
        return asdict(self._options) | hashes

    def __call__(self, image: Path) -> Depth:
        calibration, points = self._measured(image)
        guide = read_array(image, "RGB") if self._options.guided else None
        size = image_size(image) if guide is None else (guide.shape[0], guide.shape[1])
        return points_to_depth(points, calibration, size, sparse=self._options.sparse, guide=guide)

    def _measured(self, image: Path) -> tuple[Calibration, NDArray[np.float32]]:
        """Calibration and all points of an image, (N, 3) in the LiDAR's frame."""
        if self._tables is None:
            calibration = self._calibration_of(image)
            return calibration, self._points(image, calibration)
        calibration, sweeps = self._tables.sweeps(image, self._options.sweeps, MAX_WAIT)
        clouds = [transformed(read_points(sweep.path), sweep.moved) for sweep in sweeps]
        return calibration, np.concatenate(clouds)

    def _points(self, image: Path, calibration: Calibration) -> NDArray[np.float32]:
        """All points of an image, (N, 3), in the LiDAR's frame at its moment."""
        path = self._partner(image, self._options.points)
        if self._poses is None:
            if not path.is_file():
                raise DataError(
                    f"{image} has no point cloud {path}; add it or correct --points.", image
                )
            return read_points(path)
        time = self._image_times[image]
        candidates = self._sweeps.get(path.parent, {})
        near = sorted(candidates, key=lambda sweep: abs(candidates[sweep] - time))
        if not near or abs(candidates[near[0]] - time) > MAX_WAIT:
            raise DataError(
                f"{image} has no sweep within {MAX_WAIT} s in {path.parent}; correct --points or "
                "the times.",
                image,
            )
        clouds = []
        for sweep in near[: self._options.sweeps]:
            try:
                body = calibration.lidar_to_body
                moved = self._poses.sensor_moved(candidates[sweep], time, body)
            except ValueError as error:
                raise DataError(f"{image}: {error}", image) from None
            clouds.append(transformed(read_points(sweep), moved))
        return np.concatenate(clouds)

    @cached_property
    def _sweeps(self) -> dict[Path, dict[Path, float]]:
        """Times of the sweeps of each folder."""
        times: dict[Path, dict[Path, float]] = defaultdict(dict)
        for path, time in _times(find_files(self._root, self._options.points)).items():
            times[path.parent][path] = time
        return times

    def _calibration_of(self, image: Path) -> Calibration:
        return self._calibration(self._partner(image, self._options.calibration), image)

    def _partner(self, image: Path, pattern: str) -> Path:
        """The file that belongs to an image, by a pattern or by a path without wildcards."""
        if not wildcards(pattern):
            return self._placed(pattern)
        match = self._expression.fullmatch(image.relative_to(self._root).as_posix())
        return self._root / insert(pattern, match.groups() if match else ())

    def _placed(self, path: str) -> Path:
        """A path that begins in the current folder or, where nothing is there, in the root."""
        return Path(path) if Path(path).exists() else self._root / path

    def _hash(self, path: str | None) -> str | None:
        """Hash of the files that all images share."""
        if path is None or wildcards(path):
            return None
        place = self._placed(path)
        files = [place]
        if place.is_dir():
            tables = [f"{name}.json" for name in TABLES]
            files = [place / name for name in (tables if self._tables else RAW)]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def points_to_depth(
    points: NDArray[np.float32],
    calibration: Calibration,
    size: tuple[int, int],
    *,
    sparse: bool = False,
    guide: NDArray[np.uint8] | None = None,
) -> Depth:
    """Depth image of a point cloud, without the points that the camera cannot see.

    Args:
        points: (N, 3) metres in the LiDAR's frame.
        calibration: camera and place of the LiDAR.
        size: height and width of the image.
        sparse: keep holes.
        guide: (H, W, 3) RGB, see `complete`.

    Returns:
        (H, W) metres, NaN = no value.
    """
    depth = drop_hidden(project(points, calibration, size))
    return depth if sparse else complete(depth, guide)


def _times(files: Sequence[Path]) -> dict[Path, float]:
    """Times in seconds of files of several folders."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        folders[path.parent].append(path)
    return {path: time for each in folders.values() for path, time in file_times(each).items()}
