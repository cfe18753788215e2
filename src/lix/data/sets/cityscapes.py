"""Cityscapes: streets of 50 cities with fine labels and stereo disparity (Cordts et al., 2016)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lix.core.errors import DataError
from lix.core.json_text import parse_json
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import IdLabels
from lix.data.options import Names, XFolders, as_tuple
from lix.data.patterns import find_files
from lix.data.readers import image_size, read_text
from lix.data.sample import scaled_camera
from lix.data.splits import TRAIN_AND_VAL, Split, keep_only
from lix.data.x_files import FileSource, XFiles, XSource

CLASSES: dict[str, tuple[int, int, int]] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
"""Names and colours in the order of the train ids."""
LABEL_IDS: dict[int, int] = dict.fromkeys(range(34), IGNORE_INDEX) | {
    label_id: train_id
    for train_id, label_id in enumerate(
        (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    )
}
"""Label id, 0 to 33, → train id."""
TRAIN_IDS: dict[int, int] = {i: i for i in (*range(len(CLASSES)), IGNORE_INDEX)}
DISPARITY = XFiles(kind="disparity", scale=1 / 256, offset=-1 / 256, invalid=(0, 1), dtype="uint16")
"""0 was not measured; 1 means no disparity, an infinite depth."""
OFFICIAL_SIZE = (1024, 2048)
HINTS = {
    "labelTrainIds": "run csCreateTrainIdLabelImgs of cityscapesscripts again, or remove these "
    "files to use _gtFine_labelIds.png",
    "labelIds": "label ids go from 0 to 33 and train ids, with 255, into _gtFine_labelTrainIds.png",
}
"""Form of the labels → what to do about values that it does not have."""


class Cityscapes(SegDataset):
    """Cityscapes with its 19 classes, from train ids where every frame has them, else label ids.

    Args:
        root: folder that holds `leftImg8bit` and `gtFine`.
        labelled: see `SegDataset`; without labels the images of `test` are frames, too.
        split: the official `train` or `val`; the labels of `test` are not public.
        cities: keep these only, as in `["aachen"]`.
        lists: folder with `train.txt` and `val.txt`, a frame id such as
            `aachen/aachen_000000_000019` a line, from both official splits.
        x: see `SegDataset`; the set's own X is the SGM disparity.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    left_files: ClassVar[str | None] = "leftImg8bit/*/*/*_leftImg8bit.png"
    right_files: ClassVar[str | None] = "rightImg8bit/*/*/*_rightImg8bit.png"
    fixes = Fixes(
        root="set data.root to the folder that holds leftImg8bit",
        image="unpack leftImg8bit_trainvaltest.zip in {root}",
        label="unpack gtFine_trainvaltest.zip in {root}",
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        cities: Names = (),
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self._cities, self._splits = as_tuple(cities), dict[str, str]()
        self._form = "labelTrainIds"
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "leftImg8bit").is_dir()

    def select(self, split: Split, lists: Path | None) -> list[str]:
        return keep_only(super().select(split, lists), {"city": self._cities})

    def frames(self, split: Split | None) -> Collection[str]:
        every: Sequence[str] = TRAIN_AND_VAL if self.labelled else "*"
        for folder in every if split is None else [split]:
            for path in find_files(self.root, f"leftImg8bit/{folder}/*/*_leftImg8bit.png"):
                name = f"{path.parent.name}/{path.name.removesuffix('_leftImg8bit.png')}"
                self._splits[name] = path.parents[1].name
        return self._splits

    def image_path(self, frame: str) -> Path:
        return self._file("leftImg8bit", "leftImg8bit.png", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("gtFine", f"gtFine_{self._form}.png", frame)

    def require_labels(self) -> None:
        """Choose one form of labels for all frames."""
        if all(self.label_path(frame).is_file() for frame in self.ids):
            self.labels = IdLabels(TRAIN_IDS, HINTS[self._form])
            return
        self._form = "labelIds"
        self.labels = IdLabels(LABEL_IDS, HINTS[self._form])
        super().require_labels()

    def own_x(self) -> tuple[XSource, ...]:
        fix = (
            f"unpack disparity_trainvaltest.zip in {self.root}, or name other X under "
            "data.options.x"
        )
        return (FileSource(DISPARITY, partial(self._file, "disparity", "disparity.png"), fix),)

    def sequence(self, name: str) -> str:
        return name.partition("/")[0]  # neighbouring numbers of a city are one drive

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self._file("camera", "camera.json", frame)
        if not path.is_file():
            return None
        try:
            camera = parse_json(read_text(path))["intrinsic"]
            fx, fy, cx, cy = (float(camera[name]) for name in ("fx", "fy", "u0", "v0"))
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path} holds no camera; unpack camera_trainvaltest.zip again.",
                path,
                kind="camera",
            ) from None
        return scaled_camera((fx, fy, cx, cy), OFFICIAL_SIZE, image_size(self.image_path(frame)))

    def _file(self, folder: str, ending: str, frame: str) -> Path:
        return self.root / folder / f"{self._splits[frame]}/{frame}_{ending}"
