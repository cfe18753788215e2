"""DELIVER: rendered streets in five weathers, with sensor failures (Zhang et al., CVPR 2023)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import unknown
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.decode import Coded
from lix.data.labels import IdLabels
from lix.data.options import Names, XFolders, as_tuple
from lix.data.patterns import find_files
from lix.data.readers import read_array, read_coded
from lix.data.sets.parts.deliver_classes import CLASSES
from lix.data.sets.parts.pictures import Pictures
from lix.data.splits import SPLITS, TRAIN_AND_VAL, Split, keep_only
from lix.data.x_files import XSource

CHANNELS = {"hha": 3, "depth": 1, "lidar": 3, "event": 3}
"""Folder of X → channels of its pictures."""
NAMES = {"img": "rgb", "hha": "depth"}
"""Folder → its name in the files, where that is another one."""
FAILURES = ("motionblur", "overexposure", "underexposure", "lidarjitter", "eventlowres")
"""Endings of the names of scenes in which a sensor fails."""
_GREYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)


class DELIVER(SegDataset):
    """DELIVER's front camera with 25 classes and the authors' splits.

    X are 8-bit pictures without a unit: `hha` (depth as disparity, height and angle), which the
    published RGB-D networks see, `depth`, `lidar` and `event`. Pictures of events may be smaller
    than the image; they are resized to the nearest value, as the authors do.

    A frame id is `night/train/MAP_3_point9/341800`. Conditions are `weather` and `failure`.

    Args:
        root: folder that holds `img` and `semantic`.
        labelled: see `SegDataset`.
        split: `train`, `val` or `test`.
        modalities: the X of the set, one or several of `hha`, `depth`, `lidar` and `event`.
        weathers: keep these only, of `cloud`, `fog`, `night`, `rain` and `sun`.
        parts: keep these official parts only, as in `["train"]`; for unlabelled frames.
        lists: folder with `train.txt`, `val.txt` and, if wanted, `test.txt`, a frame id a line.
        x: see `SegDataset`.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    labels: IdLabels = IdLabels(
        {0: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX} | {i + 1: i for i in range(len(CLASSES))},
        "DELIVER's labels are 1 to 25, 0 and 255 where nothing is known; unpack it again",
    )
    left_files: ClassVar[str | None] = "img/*/*/*/*_rgb_front.png"
    fixes = Fixes(
        root="set data.root to the DELIVER folder that holds img and semantic",
        image="unpack DELIVER in {root}",
        label="unpack DELIVER in {root}",
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        modalities: Names = ("hha",),
        weathers: Names = (),
        parts: Names = (),
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self._modalities = as_tuple(modalities)
        for name in self._modalities:
            if name not in CHANNELS:
                raise ValueError(unknown("modality", name, list(CHANNELS)))
        self._kept = {"weather": weathers, "part": parts}
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @property
    def splits(self) -> tuple[Split, ...]:
        return SPLITS if any(self.root.glob("img/*/test")) else TRAIN_AND_VAL

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "semantic").is_dir() and any(root.glob("img/*/*/MAP_*"))

    def select(self, split: Split, lists: Path | None) -> list[str]:
        return keep_only(super().select(split, lists), self._kept)

    def frames(self, split: Split | None) -> Collection[str]:
        images = find_files(self.root / "img", f"*/{split or '*'}/*/*_rgb_front.png")
        names = [path.relative_to(self.root / "img").as_posix() for path in images]
        return [name.removesuffix("_rgb_front.png") for name in names]

    def image_path(self, frame: str) -> Path:
        return self._file("img", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("semantic", frame)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        path = self.label_path(frame)
        coded = read_coded(path)
        if coded is None:  # CARLA's pictures hold the label in their red channel
            red = read_array(path, "RGB", lossless=True)[..., 0]
            coded = Coded(np.ascontiguousarray(red), np.arange(256), _GREYS)
        return self.labels.read_coded(path, coded)

    def own_x(self) -> tuple[XSource, ...]:
        fix = f"unpack DELIVER in {self.root}, or choose others under data.options.modalities"
        return tuple(
            Pictures(
                CHANNELS[name],
                partial(self._file, name),
                fix,
                self.image_path if name == "event" else None,
            )
            for name in self._modalities
        )

    def sequence(self, name: str) -> str:
        scene = name.split("/")[2]
        return "_".join(scene.split("_")[:3])  # a place in every weather and with every failure

    def conditions(self, frame: str) -> Mapping[str, str]:
        weather, _, scene, _ = frame.split("/")
        ending = scene.rpartition("_")[2]
        return {"weather": weather, "failure": ending if ending in FAILURES else "none"}

    def _file(self, folder: str, frame: str) -> Path:
        return self.root / folder / f"{frame}_{NAMES.get(folder, folder)}_front.png"
