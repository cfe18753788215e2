"""KITTI Semantics: 200 labelled images of KITTI Stereo 2015 (Alhaija et al., 2018)."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lix.core.errors import DataError
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import IdLabels
from lix.data.patterns import find_files
from lix.data.readers import read_text
from lix.data.sample import camera_matrix
from lix.data.sets.cityscapes import CLASSES, LABEL_IDS
from lix.data.splits import Split
from lix.data.x_files import FileSource, XFiles, XSource

DISPARITY = XFiles(kind="disparity", scale=1 / 256, dtype="uint16")
VAL_SHARE = 0.25
"""The paper's 3:1."""
CALIBRATION = (
    "training/calib_cam_to_cam",
    "calib_cam_to_cam",
    "data_scene_flow_calib/training/calib_cam_to_cam",
)
"""Folders where users keep the calibration."""


class KITTI(SegDataset):
    """KITTI Semantics 2015 with Cityscapes' 19 classes; the sizes of its images differ.

    Its own X is the LiDAR's disparity, which most pixels lack. Papers use the dense disparity of a
    stereo network instead: make it with `lix data depth` and name its folder in `x`.

    The root holds `training`, where data_semantics.zip and, for X, right images and intrinsics,
    data_scene_flow.zip and data_scene_flow_calib.zip are unpacked. Without lists three of four
    images train, by the hash of their names; as in papers, images of one drive are on both sides
    then. A frame id is `000000_10`.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    labels = IdLabels(
        LABEL_IDS, "KITTI's label ids go from 0 to 33; unpack data_semantics.zip again"
    )
    left_files = "training/image_2/*_10.png"
    right_files: ClassVar[str | None] = "training/image_3/*_10.png"
    fixes = Fixes(
        root="set data.root to the folder that holds training",
        image="unpack data_semantics.zip in {root}",
        label="unpack data_semantics.zip in {root}",
    )

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "training" / "semantic").is_dir()

    def frames(self, split: Split | None) -> Collection[str]:
        names = sorted(path.stem for path in find_files(self.root, self.left_files))
        return self.part(names, split, VAL_SHARE)

    def image_path(self, frame: str) -> Path:
        return self._file("image_2", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("semantic", frame)

    def own_x(self) -> tuple[XSource, ...]:
        fix = (
            f"unpack data_scene_flow.zip in {self.root}, or make dense disparity with `lix data "
            "depth` and name its folder under data.options.x"
        )
        return (FileSource(DISPARITY, partial(self._file, "disp_occ_0"), fix),)

    def intrinsics(self, frame: str) -> Tensor | None:
        name = frame.removesuffix("_10") + ".txt"
        paths = [self.root / folder / name for folder in CALIBRATION]
        path = next((path for path in paths if path.is_file()), None)
        return None if path is None else read_camera(path, "P_rect_02")

    def _file(self, folder: str, frame: str) -> Path:
        return self.root / "training" / folder / f"{frame}.png"


def read_camera(path: Path, projection: str) -> Tensor:
    """(3, 3) intrinsics from the line of a projection matrix in a KITTI calibration file.

    Raises:
        DataError: the file cannot be read, or has no such line of 12 numbers.
    """
    for line in read_text(path).splitlines():
        name, _, row = line.partition(":")
        if name == projection:
            with suppress(ValueError):
                fx, _, cx, _, _, fy, cy, _, _, _, _, _ = map(float, row.split())
                return camera_matrix(fx, fy, cx, cy)
    raise DataError(
        f"{path} has no line `{projection}:` of 12 numbers; restore the file.", path, kind="camera"
    )
