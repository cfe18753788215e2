"""KITTI Semantics: 200 labelled images of KITTI Stereo 2015 (Alhaija et al., 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.core.errors import DataError, unknown
from lix.data.labels import IdLabels
from lix.data.options import Folders
from lix.data.readers import read_text, require_files
from lix.data.sample import SegDataset, camera_matrix
from lix.data.sets.cityscapes import CLASSES, LABEL_IDS
from lix.data.splits import read_list
from lix.data.splits import split as divide
from lix.data.x_files import FileSource, XFiles, open_x

DISPARITY = XFiles(kind="disparity", scale=1 / 256, dtype="uint16")
SPLITS = ("train", "val")
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

    Args:
        root: folder that holds `training`, where data_semantics.zip and, for X, right images and
            intrinsics, data_scene_flow.zip and data_scene_flow_calib.zip are unpacked.
        split: `train` or `val`.
        lists: folder with `train.txt` and `val.txt`, a frame id such as `000000_10` a line.
            Default: three of four images, by the hash of their names, train. As in papers, images
            of one drive are on both sides then.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of the LiDAR's disparity, which
            is called `own` among them.

    Raises:
        FileNotFoundError: root or images are missing.
        ValueError: no such split, a wrong list, or missing labels.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    left_files: ClassVar[str | None] = "training/image_2/*_10.png"
    right_files: ClassVar[str | None] = "training/image_3/*_10.png"

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        lists: Path | None = None,
        x: Folders = (),
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"{self.root} is missing; set data.root to the folder that holds training."
            )
        if split not in SPLITS:
            raise ValueError(unknown("split of KITTI Semantics", split, SPLITS))
        images = self.root / "training" / "image_2"
        names = sorted(path.stem for path in images.glob("*_10.png"))
        if not names:
            raise FileNotFoundError(
                f"{images} has no image; unpack data_semantics.zip in {self.root}."
            )
        self.ids = listed_or_hashed(names, split, lists, self.sequence)
        labels = [self.label_path(frame) for frame in self.ids]
        require_files(labels, "label", f"unpack data_semantics.zip in {self.root}")
        self._labels = IdLabels(
            LABEL_IDS, "KITTI's label ids go from 0 to 33; unpack data_semantics.zip again"
        )
        lidar = FileSource(
            DISPARITY,
            partial(self._file, "disp_occ_0"),
            f"unpack data_scene_flow.zip in {self.root}, or make dense disparity with `lix data "
            "depth` and name its folder under data.options.x",
        )
        self.x_sources = open_x(x, self.root, self.image_path, own=(lidar,))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "training" / "semantic").is_dir()

    def image_path(self, frame: str) -> Path:
        return self._file("image_2", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("semantic", frame)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        return self._labels.read(self.label_path(frame))

    def intrinsics(self, frame: str) -> Tensor | None:
        name = frame.removesuffix("_10") + ".txt"
        paths = [self.root / folder / name for folder in CALIBRATION]
        found = next((path for path in paths if path.is_file()), None)
        return None if found is None else read_camera(found, "P_rect_02")

    def _file(self, folder: str, frame: str) -> Path:
        return self.root / "training" / folder / f"{frame}.png"


def listed_or_hashed(
    names: Sequence[str], split: str, lists: Path | None, sequence: Callable[[str], str]
) -> list[str]:
    """The frames of a split that the lists name, or 3:1 by the hash of their sequences' names.

    Raises:
        ValueError: a list is missing or wrong, or there is only one frame.
    """
    if lists is not None:
        return read_list(lists / f"{split}.txt", names)
    return divide(names, VAL_SHARE, sequence=sequence)[SPLITS.index(split)]


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
    raise DataError(f"{path} has no line `{projection}:` of 12 numbers; restore the file.", path)
