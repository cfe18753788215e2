"""KITTI Road: where one can drive, official or as in SNE-RoadSeg (Fritsch et al., 2013)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.core.errors import unknown
from lix.core.types import IGNORE_INDEX
from lix.data.labels import ColourLabels
from lix.data.options import Folders
from lix.data.readers import require_files
from lix.data.sample import SegDataset
from lix.data.sets.kitti import SPLITS, listed_or_hashed, read_camera
from lix.data.x_files import FileSource, XFiles, open_x

CLASSES: dict[str, tuple[int, int, int]] = {"not road": (255, 0, 0), "road": (255, 0, 255)}
"""Names and label colours in the order of the train ids."""
UNLABELLED = ((0, 0, 0), (0, 0, 255))
"""Without red a pixel is not evaluated, as on a road that is not the own one."""
DEPTH = XFiles(kind="depth", unit="mm", invalid=(0, 65535), dtype="uint16")
FOLDERS = {"train": "training", "val": "validation"}


class KITTIRoad(SegDataset):
    """KITTI Road, two classes.

    Official downloads have no X of their own; in SNE-RoadSeg's form `depth_u16`, made from the
    LiDAR, is.

    Args:
        root: folder that holds `training`, `data_road` of data_road.zip.
        split: `train` or `val`. Where there is a folder `validation`, as SNE-RoadSeg wants it, it
            is `val`, and none of its frames is in `train`. Else three of four images of
            `training` train, by the hash of their names with ten neighbours kept together.
        lists: folder with `train.txt` and `val.txt`, a frame id such as `um_000000` a line, from
            both folders.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of `depth_u16`, which is called
            `own` among them.

    Raises:
        FileNotFoundError: root or images are missing.
        ValueError: no such split, a wrong list, or missing labels.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    left_files: ClassVar[str | None] = "*/image_2/u*_*.png"
    right_files: ClassVar[str | None] = "*/image_3/u*_*.png"

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
                f"{self.root} is missing; set data.root to data_road of data_road.zip."
            )
        if split not in SPLITS:
            raise ValueError(unknown("split of KITTI Road", split, SPLITS))
        self._folders = self._frames()
        self.ids = self._chosen(split, lists)
        labels = [self.label_path(frame) for frame in self.ids]
        require_files(labels, "label", f"copy gt_image_2 of data_road.zip into {self.root}")
        colours = {colour: i for i, colour in enumerate(self.palette)}
        self._labels = ColourLabels(
            colours | dict.fromkeys(UNLABELLED, IGNORE_INDEX),
            "road is (255, 0, 255), the rest (255, 0, 0) or black, and resized labels mix them",
        )
        self.x_sources = open_x(x, self.root, self.image_path, self._own_x())

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "training" / "gt_image_2").is_dir()

    def image_path(self, frame: str) -> Path:
        return self._file("image_2", frame)

    def label_path(self, frame: str) -> Path:
        kind, _, number = frame.partition("_")
        return self._file("gt_image_2", frame).with_name(f"{kind}_road_{number}.png")

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        return self._labels.read(self.label_path(frame))

    def sequence(self, name: str) -> str:
        return name[:-1]  # neighbours show one street, and no name tells where it ends

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self._file("calib", frame).with_suffix(".txt")
        return read_camera(path, "P2") if path.is_file() else None

    def _file(self, part: str, frame: str) -> Path:
        return self.root / self._folders[frame] / part / f"{frame}.png"

    def _frames(self) -> dict[str, str]:
        """Id of every frame that has an image → its folder, `validation` if it is in both."""
        found = {
            path.stem: folder
            for folder in FOLDERS.values()
            for path in sorted(self.root.glob(f"{folder}/image_2/u*_*.png"))
        }
        if "training" not in found.values():
            raise FileNotFoundError(
                f"{self.root / 'training' / 'image_2'} has no image of its own; unpack "
                "data_road.zip and set data.root to its data_road."
            )
        return found

    def _chosen(self, split: str, lists: Path | None) -> list[str]:
        if lists is None and "validation" in self._folders.values():
            return [name for name, folder in self._folders.items() if folder == FOLDERS[split]]
        return listed_or_hashed(list(self._folders), split, lists, self.sequence)

    def _own_x(self) -> tuple[FileSource, ...]:
        if not any((self.root / folder / "depth_u16").is_dir() for folder in FOLDERS.values()):
            return ()
        fix = "make them as SNE-RoadSeg does, or name other X under data.options.x"
        return (FileSource(DEPTH, partial(self._file, "depth_u16"), fix),)
