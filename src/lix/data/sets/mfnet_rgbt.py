"""MFNet RGB-thermal: 1569 streets by day and night with thermal images (Ha et al., 2017)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch

from lix.core.errors import DataError
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import IdLabels
from lix.data.modalities import X, as_kind
from lix.data.options import XFolders
from lix.data.patterns import find_files
from lix.data.readers import read_array, read_text
from lix.data.splits import SPLITS, TRAIN_AND_VAL, Split, require_once
from lix.data.x_files import FileSource, XFiles, XSource

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
        labelled: see `SegDataset`; without labels and `lists` all images are opened.
        split: `train`, `val` or `test`. Names with `_flip` in the original lists are skipped where
            there is no such file: a script of the authors made them, and lix flips as it trains.
        val_list: the list behind `val`.
        lists: folder with other lists, a name such as `00001D` a line.
        unlabelled: the first class, all that is not one of the other eight. All papers train and
            count it as a `class`; the other choice is `ignore`.
        x: see `SegDataset`; the set's own X is thermal.
    """

    left_files: ClassVar[str | None] = "[iR][mG][aB]*/*.png"  # in `images` or `RGB`
    fixes = Fixes(root="set data.root to MFNet's data set", image=FIX, label=FIX)

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        val_list: Fold = "val",
        lists: Path | None = None,
        unlabelled: Literal["class", "ignore"] = "class",
        x: XFolders = (),
    ) -> None:
        self._val_list = val_list
        first = 0 if unlabelled == "class" else 1
        self.classes, self.palette = tuple(CLASSES)[first:], tuple(CLASSES.values())[first:]
        ids = {label: label - first for label in range(first, len(CLASSES))}
        self.labels = IdLabels({0: IGNORE_INDEX} | ids, "MFNet's labels are 0 to 8")
        self._folders = _folders(Path(root), labelled=labelled)
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @property
    def splits(self) -> tuple[Split, ...]:
        return SPLITS if (self.root / "test.txt").is_file() else TRAIN_AND_VAL

    @classmethod
    def recognises(cls, root: Path) -> bool:
        folders = _folders(root)
        names = [p.name for p in islice(find_files(folders[0], "*"), 9)] if folders else []
        return any(re.match(r"\d{5}[DN](_flip)?\.", name) for name in names)

    def select(self, split: Split, lists: Path | None) -> list[str]:
        if not self._folders:
            raise ValueError(f"{self.root} has neither images and labels nor RGB and Label; {FIX}.")
        if lists is None and not self.labelled:
            return sorted(self.frames(None))
        path = Path(lists or self.root) / f"{self._val_list if split == 'val' else split}.txt"
        names, present = read_text(path).split(), set(self.frames(None))
        require_once(path, names)
        ids = [name for name in names if name in present or not name.endswith("_flip")]
        if not ids:
            raise DataError(f"{path} lists no frame; write a name such as 00001D a line.", path)
        return ids

    def frames(self, split: Split | None) -> Collection[str]:
        return [path.stem for path in find_files(self._folders[0], "*.png")]

    def image_path(self, frame: str) -> Path:
        return self._file(0, frame)

    def label_path(self, frame: str) -> Path:
        return self._file(2, frame)

    def conditions(self, frame: str) -> Mapping[str, str]:
        is_night = frame.removesuffix("_flip").endswith("N")
        return {"time": "night" if is_night else "day"}

    def own_x(self) -> tuple[XSource, ...]:
        return (_Thermal(THERMAL, partial(self._file, 1), FIX),)

    def _file(self, part: int, frame: str) -> Path:
        return self._folders[part] / f"{frame}.png"


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
                kind="x format",
            )
        thermal = values if values.ndim == 2 else values[..., 3]
        return as_kind("channels", torch.from_numpy(thermal.copy())[None] / 255)


def _folders(root: Path, *, labelled: bool = True) -> tuple[Path, ...]:
    """Folders of images, thermal and labels, whatever the case of their names; () if not there."""
    present = {p.name.lower(): p for p in root.iterdir() if p.is_dir()} if root.is_dir() else {}
    for layout in LAYOUTS:
        images, thermal, labels = (present.get(name.lower(), root / name) for name in layout)
        needed = {images, labels} if labelled else {images}
        if needed <= {*present.values()}:  # a student's disk may lack thermal
            return images, thermal, labels
    return ()
