"""ORFD: where an off-road vehicle can drive, 12 198 images with LiDAR depth (Min et al., 2022)."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.core.errors import DataError
from lix.data.dataset import Fixes, SegDataset
from lix.data.options import XFolders
from lix.data.patterns import find_files
from lix.data.readers import read_array, read_text
from lix.data.sample import camera_matrix
from lix.data.splits import SPLITS, TRAIN_AND_VAL, Split
from lix.data.x_files import FileSource, XFiles, XSource

CLASSES: dict[str, tuple[int, int, int]] = {
    "not traversable": (90, 90, 90),
    "traversable": (0, 200, 80),
}
DEPTH = XFiles(kind="depth", unit="m", scale=1 / 256, dtype="uint16")
"""0 is invalid. OFF-Net's code divides by 256 and has 1000 in a comment; with 256 the depths of
its example frame are 5.5 to 100 m."""
FOLDERS = ("training", "validation", "testing")
FILES = {
    "image_data": "{}.png",
    "gt_image": "{}_fillcolor.png",
    "dense_depth": "{}.png",
    "calib": "{}.txt",
}
"""Folder of a modality in the folder of a sequence → names of its files."""
MISSING = (
    "unpack the compressed ORFD there (the folders on Baidu lack files), or delete the frames "
    "from image_data"
)


class ORFD(SegDataset):
    """The off-road freespace data set, as OFF-Net reads it.

    A pixel is traversable where its label's blue exceeds 200; what the labels call unreachable,
    such as the sky, is not traversable, as in OFF-Net. X is the dense depth.

    Args:
        root: folder that holds `training` and `validation`, and in these a folder per sequence.
        labelled: see `SegDataset`.
        split: `train`, `val` or, where there is a folder `testing`, `test`.
        val_folder: the folder behind `val`: `validation`, or `testing`.
        lists: folder with `train.txt`, `val.txt` and, if wanted, `test.txt`, a frame id such as
            `y0613_1242/1623721491895` a line, from `training`, `validation` and `testing`.
        x: see `SegDataset`.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    left_files: ClassVar[str | None] = "*/*/image_data/*.png"
    fixes = Fixes(
        root="set data.root to the ORFD folder that holds training and validation",
        image="unpack ORFD in {root}",
        label=MISSING,
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        val_folder: Literal["validation", "testing"] = "validation",
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self._split_folders = {"train": "training", "val": val_folder, "test": "testing"}
        self._folders: dict[str, str] = {}
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @property
    def splits(self) -> tuple[Split, ...]:
        return SPLITS if (self.root / FOLDERS[2]).is_dir() else TRAIN_AND_VAL

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(any(root.glob(f"{folder}/*/image_data")) for folder in FOLDERS[:2])

    def frames(self, split: Split | None) -> Collection[str]:
        for folder in FOLDERS if split is None else [self._split_folders[split]]:
            for image in find_files(self.root / folder, "*/image_data/*.png"):
                self._folders[f"{image.parents[1].name}/{image.stem}"] = folder
        return self._folders

    def image_path(self, frame: str) -> Path:
        return self._file("image_data", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("gt_image", frame)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        path = self.label_path(frame)
        blue = read_array(path, "RGB", lossless=True)[..., 2]
        if 0 < blue.max() < 100:
            raise DataError(
                f"{path} has no value above {blue.max()}, but where ORFD's labels are traversable "
                "they have 255; they are not class ids, so unpack them again.",
                path,
                kind="label range",
            )
        return (blue > 200).astype(np.uint8)

    def own_x(self) -> tuple[XSource, ...]:
        return (FileSource(DEPTH, partial(self._file, "dense_depth"), MISSING),)

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self._file("calib", frame)
        return _camera(path) if path.is_file() else None

    def _file(self, part: str, frame: str) -> Path:
        sequence, number = frame.split("/")
        folder = self.root / self._folders[frame] / sequence / part
        return folder / FILES[part].format(number)


def _camera(path: Path) -> Tensor:
    """Camera matrix of a file with a line `cam_K: ` and nine numbers, row by row."""
    for line in read_text(path).splitlines():
        key, _, values = line.partition(":")
        if key == "cam_K":
            try:
                fx, _, cx, _, fy, cy, _, _, _ = map(float, values.split())
                return camera_matrix(fx, fy, cx, cy)
            except ValueError:
                break
    raise DataError(
        f"{path} has no line `cam_K:` with nine numbers; restore the file.", path, kind="camera"
    )
