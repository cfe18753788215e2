"""Cityscapes: streets of 50 cities with fine labels and stereo disparity (Cordts et al., 2016)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.core.errors import DataError, unknown
from lix.core.types import IGNORE_INDEX
from lix.data.labels import IdLabels
from lix.data.options import Folders, Names
from lix.data.readers import image_size, read_text, require_files
from lix.data.sample import SegDataset, camera_matrix
from lix.data.splits import read_list
from lix.data.x_files import FileSource, XFiles, open_x

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
SPLITS = ("train", "val")
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
        split: the official `train` or `val`; the labels of `test` are not public.
        cities: keep these only, as in `["aachen"]`.
        lists: folder with `train.txt` and `val.txt`, a frame id such as
            `aachen/aachen_000000_000019` a line, from both official splits.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of the SGM disparity, which is
            called `own` among them.

    Raises:
        FileNotFoundError: root or images are missing.
        ValueError: no such split or city, a wrong list, or missing labels.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    left_files: ClassVar[str | None] = "leftImg8bit/*/*/*_leftImg8bit.png"
    right_files: ClassVar[str | None] = "rightImg8bit/*/*/*_rightImg8bit.png"

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        cities: Names = (),
        lists: Path | None = None,
        x: Folders = (),
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"{self.root} is missing; set data.root to the folder that holds leftImg8bit."
            )
        if split not in SPLITS:
            choices = unknown("split of Cityscapes", split, SPLITS)
            raise ValueError(f"{choices[:-1]}, the ones with public labels.")
        frames = self._frames([split] if lists is None else SPLITS)
        ids = list(frames) if lists is None else read_list(lists / f"{split}.txt", frames)
        self.ids = _only(ids, cities)
        self._splits = frames
        self._open_labels()
        disparity = FileSource(
            DISPARITY,
            partial(self._file, "disparity", "disparity.png"),
            f"unpack disparity_trainvaltest.zip in {self.root}, or name other X under "
            "data.options.x",
        )
        self.x_sources = open_x(x, self.root, self.image_path, own=(disparity,))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "leftImg8bit").is_dir()

    def image_path(self, frame: str) -> Path:
        return self._file("leftImg8bit", "leftImg8bit.png", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("gtFine", f"gtFine_{self._form}.png", frame)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        return self._labels.read(self.label_path(frame))

    def sequence(self, name: str) -> str:
        return name.partition("/")[0]  # neighbouring numbers of a city are one drive

    def intrinsics(self, frame: str) -> Tensor | None:
        path = self._file("camera", "camera.json", frame)
        if not path.is_file():
            return None
        try:
            camera = json.loads(read_text(path))["intrinsic"]
            fx, fy, cx, cy = (float(camera[name]) for name in ("fx", "fy", "u0", "v0"))
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path} holds no camera; unpack camera_trainvaltest.zip again.", path
            ) from None
        height, width = image_size(self.image_path(frame))
        y, x = height / OFFICIAL_SIZE[0], width / OFFICIAL_SIZE[1]  # users keep smaller copies
        return camera_matrix(fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5)

    def _file(self, folder: str, ending: str, frame: str) -> Path:
        return self.root / folder / f"{self._splits[frame]}/{frame}_{ending}"

    def _frames(self, splits: Sequence[str]) -> dict[str, str]:
        """Id of every frame that has an image → official split."""
        found = {}
        for split in splits:
            for path in sorted(self.root.glob(f"leftImg8bit/{split}/*/*_leftImg8bit.png")):
                found[f"{path.parent.name}/{path.name.removesuffix('_leftImg8bit.png')}"] = split
        if not found:
            raise FileNotFoundError(
                f"{self.root / 'leftImg8bit' / splits[0]} has no image; unpack "
                f"leftImg8bit_trainvaltest.zip in {self.root}."
            )
        return found

    def _open_labels(self) -> None:
        """Choose one form of labels for all frames."""
        self._form, ids = "labelTrainIds", TRAIN_IDS
        if not all(self.label_path(frame).is_file() for frame in self.ids):
            self._form, ids = "labelIds", LABEL_IDS
            labels = [self.label_path(frame) for frame in self.ids]
            require_files(labels, "label", f"unpack gtFine_trainvaltest.zip in {self.root}")
        self._labels = IdLabels(ids, HINTS[self._form])


def _only(ids: list[str], cities: Sequence[str]) -> list[str]:
    """Frames of these cities, one or several; all if none is named."""
    wanted = [cities] if isinstance(cities, str) else list(cities)
    present = sorted({name.partition("/")[0] for name in ids})
    for city in wanted:
        if city not in present:
            raise ValueError(unknown("city of this split", city, present))
    return [name for name in ids if not wanted or name.partition("/")[0] in wanted]
