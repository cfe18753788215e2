"""nuImages: six cameras in Boston and Singapore, 93 000 images with masks (Caesar et al., 2020)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.core.errors import require
from lix.core.files import atomic_write
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import IdLabels
from lix.data.options import XFolders
from lix.data.sets.parts.nuimages_tables import METADATA, Tables
from lix.data.splits import Split, hashed

CLASSES: dict[str, tuple[int, int, int]] = {
    "animal": (70, 130, 180),
    "human.pedestrian.adult": (0, 0, 230),
    "human.pedestrian.child": (135, 206, 235),
    "human.pedestrian.construction_worker": (100, 149, 237),
    "human.pedestrian.personal_mobility": (219, 112, 147),
    "human.pedestrian.police_officer": (0, 0, 128),
    "human.pedestrian.stroller": (240, 128, 128),
    "human.pedestrian.wheelchair": (138, 43, 226),
    "movable_object.barrier": (112, 128, 144),
    "movable_object.debris": (210, 105, 30),
    "movable_object.pushable_pullable": (105, 105, 105),
    "movable_object.trafficcone": (47, 79, 79),
    "static_object.bicycle_rack": (188, 143, 143),
    "vehicle.bicycle": (220, 20, 60),
    "vehicle.bus.bendy": (255, 127, 80),
    "vehicle.bus.rigid": (255, 69, 0),
    "vehicle.car": (255, 158, 0),
    "vehicle.construction": (233, 150, 70),
    "vehicle.emergency.ambulance": (255, 83, 0),
    "vehicle.emergency.police": (255, 215, 0),
    "vehicle.motorcycle": (255, 61, 99),
    "vehicle.trailer": (255, 140, 0),
    "vehicle.truck": (255, 99, 71),
    "flat.driveable_surface": (0, 207, 191),
    "vehicle.ego": (255, 240, 245),
}
"""Names and the devkit's colours in the order of the train ids: the devkit's 1 to 24 and 31. Its 0,
what no mask covers, is `background` and comes last."""
SPLIT_TABLES = {"train": "v1.0-train", "val": "v1.0-val"}
"""Folder of the tables of a split."""
PAPER_IMAGES = 800
"""Number of images that the paper draws; 7 of 10 train."""
MASKS = IdLabels(
    {i: i for i in (*range(len(CLASSES)), IGNORE_INDEX)},
    "lix did not write it, so delete it or name another folder under masks",
)


class NuImages(SegDataset):
    """nuImages from the tables of its development kit.

    A frame's labels are those of the kit's `get_segmentation`: surfaces in the order of their
    table, then objects in the order of their tokens, each over those before. The set has no X:
    make depth with `lix data depth` and name its folder under `x`. The images are not rectified,
    so surface normals are approximate where the lens bends them (`CAM_BACK` is a fisheye).

    Args:
        root: folder that holds `samples` and `v1.0-train`, `v1.0-val` or `v1.0-mini`.
        labelled: see `SegDataset`; `sample_data.json` is read in any case.
        split: `train` is `v1.0-train` and `val` is `v1.0-val`, unless an option says otherwise.
        version: read these tables for both splits, as in `v1.0-mini`; 7 of 10 frames are for
            training, and those of a log stay together.
        subset: `paper` for lix's fixed draw of 800 frames of `v1.0-train`, from all cameras, 7:3.
            The paper does not name its own.
        lists: folder with `train.txt` and `val.txt`, a frame's id a line, from either split.
        background: what no mask covers is a `class` of its own, or `ignore`. It is none of the
            others, for annotators outlined all of these, and a student that never learned this
            would call a house a truck. The paper does not say.
        masks: folder where lix keeps decoded labels, so that later runs skip the large tables.
        x: see `SegDataset`; a folder of X has `samples/CAM_FRONT/….png` in it.

    Raises:
        FileNotFoundError: root or tables are missing.
        ModuleNotFoundError: pycocotools, which decodes masks, is missing.
        ValueError: a damaged table or list, missing images, or options that exclude each other.
    """

    left_files: ClassVar[str | None] = "samples/CAM_*/*.jpg"
    fixes = Fixes(
        root="set data.root to the folder of nuImages",
        image="unpack nuimages-v1.0-all-samples.tgz into {root}, or write lists",
        label=METADATA,
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        version: str | None = None,
        subset: Literal["paper"] | None = None,
        lists: Path | None = None,
        background: Literal["class", "ignore"] = "class",
        masks: Path | None = None,
        x: XFolders = (),
    ) -> None:
        if subset and (version or lists):
            raise ValueError("subset=paper is a draw of v1.0-train; leave version and lists out.")
        self._version, self._subset, self._masks = version, subset, masks
        colours = CLASSES | ({"background": (0, 0, 0)} if background == "class" else {})
        self.classes, self.palette = tuple(colours), tuple(colours.values())
        self._background = np.uint8(len(CLASSES) if background == "class" else IGNORE_INDEX)
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(root.glob("v1.0-*/object_ann.json"))  # nuScenes has sample_annotation.json

    def select(self, split: Split, lists: Path | None) -> list[str]:
        ids = super().select(split, lists)
        self._tables.keep(ids)
        return ids

    def frames(self, split: Split | None) -> Collection[str]:
        tables = [self._version or SPLIT_TABLES[split or "train"]]
        if self._subset:
            tables = [SPLIT_TABLES["train"]]
        elif split is None and not self._version:
            present = [name for name in SPLIT_TABLES.values() if (self.root / name).is_dir()]
            tables = present or tables
        self._tables = Tables([self.root / name for name in tables], tuple(CLASSES))
        names = sorted(self._tables.frames)
        if self._subset:
            return _paper_draw(names, split)
        return self.part(names, split, 0.3) if self._version else names

    def image_path(self, frame: str) -> Path:
        return self.root / self._tables.frames[frame].file

    def label_path(self, frame: str) -> Path:
        return self._tables.frames[frame].tables / "object_ann.json"

    def require_labels(self) -> None:
        """The tables of labels are large, and read with the first label that is not kept."""
        kept = map(self._mask_path, self.ids)
        if not all(path is not None and path.is_file() for path in kept):
            require("nuimages", "pycocotools")

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        kept = self._mask_path(frame)
        if kept is not None and kept.is_file():
            ids = MASKS.read(kept)
        else:
            ids = self._tables.target(frame)
            if kept is not None:
                with atomic_write(kept) as part:
                    Image.fromarray(ids).save(part)
        return np.where(ids == IGNORE_INDEX, self._background, ids)

    def sequence(self, name: str) -> str:
        return Path(name).name.partition("__")[0]  # the log, which all cameras record

    def intrinsics(self, frame: str) -> Tensor | None:
        return self._tables.camera(frame)

    def _mask_path(self, frame: str) -> Path | None:
        return None if self._masks is None else Path(self._masks) / f"{frame}.png"


def _paper_draw(names: Sequence[str], split: Split | None) -> list[str]:
    """The paper's 800 frames, 7:3; they follow from the names, so they are the same everywhere."""
    if len(names) < PAPER_IMAGES:
        raise ValueError(
            f"v1.0-train has {len(names)} key frames, and subset=paper draws {PAPER_IMAGES}; leave "
            "it out, or read other tables with version."
        )
    drawn, cut = hashed(names)[:PAPER_IMAGES], PAPER_IMAGES * 7 // 10
    return sorted({"train": drawn[:cut], "val": drawn[cut:], None: drawn}[split])
