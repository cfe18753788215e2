"""KITTI-360: nine labelled drives through the suburbs of Karlsruhe (Liao et al., PAMI 2022)."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lix.core.errors import DataError
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import IdLabels
from lix.data.options import Names, XFolders, as_tuple
from lix.data.patterns import find_files
from lix.data.readers import read_text
from lix.data.sets.cityscapes import CLASSES, LABEL_IDS
from lix.data.sets.kitti import read_camera
from lix.data.splits import Split, keep_only, require_once

IDS = (
    LABEL_IDS
    | dict.fromkeys(range(34, 45), IGNORE_INDEX)
    | {34: LABEL_IDS[11], 35: LABEL_IDS[13], 37: LABEL_IDS[17]}
)
"""Label id, 0 to 44, → train id; as for the authors garages are building, gates fence, and small
poles pole."""
LISTED = re.compile(r"data_2d_raw/([^/]+)/(image_\d\d)/data_rect/(\d+)\.png")


class KITTI360(SegDataset):
    """KITTI-360's perspective cameras with Cityscapes' 19 classes and the authors' splits.

    The labels of 2D are made from labels in 3D. The set brings no X that fits the images: make it
    from the stereo pairs (`image_00`, `image_01`) or the LiDAR with `lix data depth`. Train and
    val are other stretches of the same drives.

    A frame id is `2013_05_28_drive_0000_sync/image_00/0000000250`.

    Args:
        root: folder that holds `data_2d_raw` and `data_2d_semantics`.
        labelled: see `SegDataset`; without labels and `lists` all images of the left camera are
            opened.
        split: the official `train` or `val`.
        drives: keep these only, as in `["2013_05_28_drive_0000_sync"]`.
        lists: folder with `train.txt` and `val.txt`, a frame id a line.
        x: see `SegDataset`.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    labels = IdLabels(IDS, "KITTI-360's label ids go from 0 to 44; unpack its semantics again")
    left_files: ClassVar[str | None] = "data_2d_raw/*/image_00/data_rect/*.png"
    right_files: ClassVar[str | None] = "data_2d_raw/*/image_01/data_rect/*.png"
    fixes = Fixes(
        root="set data.root to the folder that holds data_2d_raw",
        image="download the perspective images into {root}, or keep the drives that you have with "
        "data.options.drives",
        label="unpack the semantics of 2D in {root}",
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        drives: Names = (),
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self._drives = as_tuple(drives)
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "data_2d_raw").is_dir()

    def select(self, split: Split, lists: Path | None) -> list[str]:
        official = lists is None and self.labelled
        ids = self._official(split) if official else super().select(split, lists)
        return keep_only(ids, {"drive": self._drives})

    def _official(self, split: Split) -> list[str]:
        """Frames of a list of the authors, a line of which names an image and its labels.

        Raises:
            DataError: the list is missing, or names something else.
        """
        path = self._labels / f"2013_05_28_drive_{split}_frames.txt"
        lines = [line.split()[0] for line in read_text(path).splitlines() if line.strip()]
        matches = [LISTED.fullmatch(line) for line in lines]
        ids = ["/".join(match.groups()) for match in matches if match]
        if not ids or len(ids) < len(lines):
            raise DataError(
                f"{path} names no images of data_2d_raw; unpack the semantics of 2D again.", path
            )
        require_once(path, ids)
        return ids

    @property
    def _labels(self) -> Path:
        return self.root / "data_2d_semantics" / "train"

    def frames(self, split: Split | None) -> Collection[str]:
        images = find_files(self.root, self.left_files or "")
        return [f"{p.parts[-4]}/{p.parts[-3]}/{p.stem}" for p in images]

    def image_path(self, frame: str) -> Path:
        drive, camera, number = frame.split("/")
        return self.root / "data_2d_raw" / drive / camera / "data_rect" / f"{number}.png"

    def label_path(self, frame: str) -> Path:
        drive, camera, number = frame.split("/")
        return self._labels / drive / camera / "semantic" / f"{number}.png"

    def sequence(self, name: str) -> str:
        return name.partition("/")[0]

    def instant(self, name: str) -> str:
        drive, _, number = name.split("/")
        return f"{drive}/{number}"

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self.root / "calibration" / "perspective.txt"
        camera = frame.split("/")[1].removeprefix("image_")
        return read_camera(path, f"P_rect_{camera}") if path.is_file() else None
