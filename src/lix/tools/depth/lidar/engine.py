"""Depth from the point clouds of a LiDAR next to the camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from lix.core.errors import require
from lix.data.patterns import wildcards
from lix.data.x_files import XFiles
from lix.tools.depth.engine import DEPTH
from lix.tools.depth.lidar.frames import Frames, Options


class Lidar:
    """Point clouds, projected by a calibration.

    Args:
        points: glob pattern of the sweeps, relative to the data set's folder; wildcards stand for
            the same text as in the pattern of the images.
        calibration: file or, of KITTI raw and nuScenes, folder; or a pattern with the same
            wildcards. With nuScenes' tables an image gets the sweeps of its scene that are nearest
            in time, from where the vehicle was then.
        poses: file of poses; then an image gets the sweeps nearest in time, moved to its moment.
        sweeps: number of sweeps an image gets; more than one need poses or nuScenes' tables.
        sparse: keep only pixels with a point.
        guided: let depth between two surfaces jump where the image changes most.
        threads: number of threads of OpenCV.

    Raises:
        ModuleNotFoundError: OpenCV is missing.
        ValueError: options that do not fit together.
    """

    name: ClassVar[str] = "lidar"
    stereo: ClassVar[bool] = False
    files: ClassVar[XFiles] = DEPTH

    def __init__(
        self,
        *,
        points: str,
        calibration: str,
        poses: str | None = None,
        sweeps: int = 1,
        sparse: bool = False,
        guided: bool = False,
        threads: int = 1,
    ) -> None:
        require("depth", "cv2")
        import cv2

        if sweeps < 1:
            raise ValueError(f"--sweeps is {sweeps}; give 1 or more.")
        if sparse and guided:
            raise ValueError("--guided fills holes and --sparse keeps them; leave out one.")
        cv2.setNumThreads(threads)
        self.options = Options(points, calibration, poses, sweeps, sparse, guided)

    def open(self, root: Path, pattern: str, images: Sequence[Path]) -> Frames:
        """Find what belongs to each image.

        Args:
            root: the data set's folder.
            pattern: pattern of the images, relative to it.
            images: the images that fit.

        Raises:
            ValueError: wildcards differ, no sweep fits, or poses or times cannot be read.
        """
        for option, other in (
            ("--points", self.options.points),
            ("--calibration", self.options.calibration),
        ):
            may_be_one = option == "--calibration" and not wildcards(other)
            if not may_be_one and wildcards(other) != wildcards(pattern):
                raise ValueError(
                    f"--left {pattern} and {option} {other} differ in their wildcards; what "
                    "belongs together are files for which the wildcards match the same text."
                )
        return Frames(self.options, root, pattern, images)
