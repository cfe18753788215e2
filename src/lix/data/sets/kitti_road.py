"""KITTI Road: where one can drive, official or as in SNE-RoadSeg (Fritsch et al., 2013)."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import ColourLabels
from lix.data.patterns import find_files
from lix.data.sets.kitti import VAL_SHARE, read_camera
from lix.data.splits import Split
from lix.data.x_files import FileSource, XFiles, XSource

CLASSES: dict[str, tuple[int, int, int]] = {"not road": (255, 0, 0), "road": (255, 0, 255)}
"""Names and label colours in the order of the train ids."""
UNLABELLED = ((0, 0, 0), (0, 0, 255))
"""Label colours of pixels that are not evaluated, as on a road that is not the own one."""
DEPTH = XFiles(kind="depth", unit="mm", invalid=(0, 65535), dtype="uint16")
FOLDERS = {"train": "training", "val": "validation"}


class KITTIRoad(SegDataset):
    """KITTI Road, two classes.

    Official downloads have no X of their own; in SNE-RoadSeg's form `depth_u16`, made from the
    LiDAR, is.

    The root holds `training`; it is `data_road` of data_road.zip. Where there is a folder
    `validation`, as SNE-RoadSeg wants it, it is `val`, and none of its frames is in `train`.
    Otherwise three of four images of `training` train, by the hash of their names with ten
    neighbours kept together. A frame id is `um_000000`.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    labels = ColourLabels(
        {colour: i for i, colour in enumerate(palette)} | dict.fromkeys(UNLABELLED, IGNORE_INDEX),
        "road is (255, 0, 255), the rest (255, 0, 0) or black, and resized labels mix them",
    )
    left_files: ClassVar[str | None] = "*/image_2/u*_*.png"
    right_files: ClassVar[str | None] = "*/image_3/u*_*.png"
    fixes = Fixes(
        root="set data.root to data_road of data_road.zip",
        image="unpack data_road.zip and set data.root to its data_road",
        label="copy gt_image_2 of data_road.zip into {root}",
    )

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "training" / "gt_image_2").is_dir()

    def frames(self, split: Split | None) -> Collection[str]:
        folders = self._folders
        if split is not None and "validation" in folders.values():
            return [name for name, folder in folders.items() if folder == FOLDERS[split]]
        return self.part(list(folders), split, VAL_SHARE)

    def image_path(self, frame: str) -> Path:
        return self._file("image_2", frame)

    def label_path(self, frame: str) -> Path:
        kind, _, number = frame.partition("_")
        return self._file("gt_image_2", frame).with_name(f"{kind}_road_{number}.png")

    def own_x(self) -> tuple[XSource, ...]:
        if not any((self.root / folder / "depth_u16").is_dir() for folder in FOLDERS.values()):
            return ()
        fix = "make them as SNE-RoadSeg does, or name other X under data.options.x"
        return (FileSource(DEPTH, partial(self._file, "depth_u16"), fix),)

    def sequence(self, name: str) -> str:
        return name[:-1]  # neighbours show one street, and no name tells where it ends

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self._file("calib", frame).with_suffix(".txt")
        return read_camera(path, "P2") if path.is_file() else None

    @cached_property
    def _folders(self) -> dict[str, str]:
        """Id of every frame that has an image → its folder, `validation` if it is in both."""
        return {
            path.stem: folder
            for folder in FOLDERS.values()
            for path in find_files(self.root, f"{folder}/image_2/u*_*.png")
        }

    def _file(self, part: str, frame: str) -> Path:
        return self.root / self._folders[frame] / part / f"{frame}.png"
