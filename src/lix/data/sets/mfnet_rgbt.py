"""MFNet RGB-thermal: 1569 streets by day and night with thermal images (Ha et al., 2017)."""

from __future__ import annotations

import re
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lix.core.errors import DataError, unknown
from lix.core.types import IGNORE_INDEX
from lix.data.labels import IdLabels
from lix.data.modalities import X, as_kind
from lix.data.options import Folders
from lix.data.readers import read_array, read_text, require_files
from lix.data.sample import SegDataset
from lix.data.x_files import FileSource, XFiles, open_x

CLASSES: dict[str, tuple[int, int, int]] = {
    "unlabelled": (0, 0, 0),
    "car": (64, 0, 128),
    "person": (64, 64, 0),
    "bike": (0, 128, 192),
    "curve": (0, 0, 192),
    "car_stop": (128, 128, 0),
    "guardrail": (64, 64, 128),
    "color_cone": (192, 128, 128),
    "bump": (192, 64, 0),
}
"""Names and the field's colours in the order of the labels."""
THERMAL = XFiles(kind="channels", scale=1 / 255)
LAYOUTS = (("images", "images", "labels"), ("RGB", "Thermal", "Label"))
"""Folders of images, thermal and labels: the original ones, where thermal is the fourth channel of
the image, and those that RTFNet's and CMX's readers take."""
FIX = "unpack MFNet's data set (ir_seg_dataset) there, or write other lists"
Fold = Literal["val", "test", "test_day", "test_night"]


class MFNetRGBT(SegDataset):
    """The RGB-thermal data set of MFNet, in the original layout or with a folder per modality.

    X is thermal in [0, 1]. Where it has a folder of its own, a student opens no file of it. In the
    original layout it is the fourth channel of the image that a student opens: the channel is
    dropped as soon as the PNG is decoded, and reaches neither sample nor network.

    Args:
        root: folder that holds `images` and `labels`, or `RGB`, `Thermal` and `Label`, and the
            lists `train.txt`, `val.txt` and `test.txt`.
        split: `train` or `val`. Names with `_flip` in the original lists are skipped where there
            is no such file: a script of the authors made them, and lix flips as it trains.
        val_list: the list behind `val`.
        lists: folder with other lists, a name such as `00001D` a line.
        unlabelled: the first class, all that is none of the other eight. All papers train and
            count it as a `class`; the other choice is `ignore`.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of thermal, which is called
            `own` among them.

    Raises:
        FileNotFoundError: root is missing.
        ValueError: neither layout, a list is missing or empty, or images or labels are missing.
    """

    left_files: ClassVar[str | None] = "[iR][mG][aB]*/*.png"  # in `images` or `RGB`

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        val_list: Fold = "val",
        lists: Path | None = None,
        unlabelled: Literal["class", "ignore"] = "class",
        x: Folders = (),
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is missing; set data.root to MFNet's data set.")
        if split not in ("train", "val"):
            raise ValueError(unknown("split of MFNet's data set", split, ["train", "val"]))
        self._folders = _folders(self.root)
        if not self._folders:
            raise ValueError(f"{self.root} has neither images and labels nor RGB and Label; {FIX}.")
        fold = val_list if split == "val" else "train"
        self.ids = self._listed(Path(lists or self.root) / f"{fold}.txt")
        first = 0 if unlabelled == "class" else 1
        self.classes, self.palette = tuple(CLASSES)[first:], tuple(CLASSES.values())[first:]
        ids = {label: label - first for label in range(first, len(CLASSES))}
        self._labels = IdLabels({0: IGNORE_INDEX} | ids, "MFNet's labels are 0 to 8")
        for what, path in (("image", self.image_path), ("label", self.label_path)):
            require_files([path(frame) for frame in self.ids], what, FIX)
        thermal = _Thermal(THERMAL, partial(self._file, 1), FIX)
        self.x_sources = open_x(x, self.root, self.image_path, own=(thermal,))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        folders = _folders(root)
        names = [path.name for path in islice(folders[0].iterdir(), 9)] if folders else []
        return any(re.match(r"\d{5}[DN](_flip)?\.", name) for name in names)

    def image_path(self, frame: str) -> Path:
        return self._file(0, frame)

    def label_path(self, frame: str) -> Path:
        return self._file(2, frame)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        return self._labels.read(self.label_path(frame))

    def _file(self, part: int, frame: str) -> Path:
        return self._folders[part] / f"{frame}.png"

    def _listed(self, path: Path) -> list[str]:
        present = {file.stem for file in self._folders[0].iterdir()}
        names = [
            name
            for name in read_text(path).split()
            if name in present or not name.endswith("_flip")
        ]
        if not names:
            raise DataError(f"{path} lists no frame; write a name such as 00001D a line.", path)
        return names


class _Thermal(FileSource):
    """Thermal in a file of its own, or in the fourth channel of the image."""

    def read(self, frame: str) -> X:
        path = self.path(frame)
        values = read_array(path)
        if values.dtype != np.uint8 or values.shape[2:] not in ((), (4,)):
            raise DataError(
                f"{path} holds {values.dtype} of shape {values.shape}, but thermal is one channel "
                "of 8 bits, or the fourth of an image; a tool dropped or changed it, so unpack the "
                "data set again.",
                path,
            )
        thermal = values if values.ndim == 2 else values[..., 3]
        return as_kind("channels", torch.from_numpy(thermal.copy())[None] / 255)


def _folders(root: Path) -> tuple[Path, ...]:
    """Folders of images, thermal and labels, whatever the case of their names; () if not there."""
    present = {p.name.lower(): p for p in root.iterdir() if p.is_dir()} if root.is_dir() else {}
    for layout in LAYOUTS:
        images, thermal, labels = (present.get(name.lower(), root / name) for name in layout)
        if {images, labels} <= {*present.values()}:  # a student's disk may lack thermal
            return images, thermal, labels
    return ()
