"""nuImages: six cameras in Boston and Singapore, 93 000 images with masks (Caesar et al., 2020)."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.core.errors import DataError, require, unknown
from lix.core.files import atomic_write
from lix.core.types import IGNORE_INDEX
from lix.data.labels import IdLabels
from lix.data.options import Folders
from lix.data.readers import reading, require_files
from lix.data.sample import SegDataset
from lix.data.splits import hashed, read_list
from lix.data.splits import split as divide
from lix.data.x_files import open_x

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
SPLITS = {"train": "v1.0-train", "val": "v1.0-val"}
"""Split → its folder of tables."""
PAPER_IMAGES = 800
"""So many the paper draws; 7 of 10 train."""
MASKS = IdLabels(
    {i: i for i in (*range(len(CLASSES)), IGNORE_INDEX)},
    "lix did not write it, so delete it or name another folder under masks",
)
METADATA = "unpack nuimages-v1.0-all-metadata.tgz into {}"


class Frame(NamedTuple):
    """A key frame of a camera, as `sample_data.json` has it."""

    tables: Path
    token: str
    camera: str
    """Token of its `calibrated_sensor`."""
    file: str
    """Relative to the root."""
    height: int
    width: int


Drawing = tuple[int, Mapping[str, Any]]
"""Train id, and the mask as `size` and `counts`: COCO's compressed run lengths in base64."""


class NuImages(SegDataset):
    """nuImages from the tables of its development kit.

    A frame's labels are those of the kit's `get_segmentation`: surfaces in the order of their
    table, then objects in the order of their tokens, each over those before. The set has no X:
    make depth with `lix data depth` and name its folder under `x`. The images are not rectified,
    so surface normals are approximate where the lens bends them (`CAM_BACK` is a fisheye).

    Args:
        root: folder that holds `samples` and `v1.0-train`, `v1.0-val` or `v1.0-mini`.
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
        x: folders of X (`lix.data.x_files.FolderSource`) with `samples/CAM_FRONT/….png` in them.

    Raises:
        FileNotFoundError: root or tables are missing.
        ModuleNotFoundError: pycocotools, which decodes masks, is missing.
        ValueError: a damaged table or list, missing images, or options that exclude each other.
    """

    left_files: ClassVar[str | None] = "samples/CAM_*/*.jpg"

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        version: str | None = None,
        subset: Literal["paper"] | None = None,
        lists: Path | None = None,
        background: Literal["class", "ignore"] = "class",
        masks: Path | None = None,
        x: Folders = (),
    ) -> None:
        self.root, self._masks = Path(root), masks
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is missing; set data.root to that of nuImages.")
        if split not in SPLITS:
            raise ValueError(unknown("split of nuImages", split, list(SPLITS)))
        if subset and (version or lists):
            raise ValueError("subset=paper is a draw of v1.0-train; leave version and lists out.")
        folders = [self.root / (SPLITS["train"] if subset else version or SPLITS[split])]
        if lists and not version:
            both = [self.root / folder for folder in SPLITS.values()]
            folders = [folder for folder in both if folder.is_dir()] or folders
        frames = {k: v for folder in folders for k, v in _key_frames(folder).items()}
        if lists:
            self.ids = read_list(Path(lists) / f"{split}.txt", frames)
        else:
            self.ids = _chosen(sorted(frames), split, version, subset)
        self._frames = {name: frames[name] for name in self.ids}
        self._folders = {frame.tables for frame in self._frames.values()}
        colours = CLASSES | ({"background": (0, 0, 0)} if background == "class" else {})
        self.classes, self.palette = tuple(colours), tuple(colours.values())
        self._background = np.uint8(len(CLASSES) if background == "class" else IGNORE_INDEX)
        images = [self.image_path(frame) for frame in self.ids]
        fix = f"unpack nuimages-v1.0-all-samples.tgz into {self.root}, or write lists"
        require_files(images, "image", fix)
        kept = (self._mask_path(frame) for frame in self.ids)
        if not all(path is not None and path.is_file() for path in kept):
            require("nuimages", "pycocotools")
        self.x_sources = open_x(x, self.root, self.image_path)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(root.glob("v1.0-*/object_ann.json"))  # nuScenes has sample_annotation.json

    def image_path(self, frame: str) -> Path:
        return self.root / self._frames[frame].file

    def label_path(self, frame: str) -> Path:
        return self._frames[frame].tables / "object_ann.json"

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        kept = self._mask_path(frame)
        if kept is not None and kept.is_file():
            ids = MASKS.read(kept)
        else:
            row = self._frames[frame]
            ids = _draw(row, self._drawings.get(row.token, ()), self.label_path(frame))
            if kept is not None:
                with atomic_write(kept) as part:
                    Image.fromarray(ids).save(part)
        return np.where(ids == IGNORE_INDEX, self._background, ids)

    def sequence(self, name: str) -> str:
        return _log(name)

    def intrinsics(self, frame: str) -> Tensor | None:
        row = self._frames[frame]
        try:
            return torch.tensor(self._cameras[row.camera], dtype=torch.float32).view(3, 3)
        except (KeyError, RuntimeError, TypeError, ValueError):
            fault = f"has no camera_intrinsic for {row.file}"
            raise _damaged(row.tables / "calibrated_sensor.json", fault) from None

    @cached_property
    def _drawings(self) -> Mapping[str, Sequence[Drawing]]:
        tokens = {frame.token for frame in self._frames.values()}
        return {k: v for folder in self._folders for k, v in _drawings(folder, tokens).items()}

    @cached_property
    def _cameras(self) -> Mapping[str, Any]:
        return {
            row["token"]: row["camera_intrinsic"]
            for folder in self._folders
            for row in _rows(folder / "calibrated_sensor.json", "token", "camera_intrinsic")
        }

    def _mask_path(self, frame: str) -> Path | None:
        return None if self._masks is None else Path(self._masks) / f"{frame}.png"


def _log(name: str) -> str:
    """A drive, seen by all cameras; it begins a file's name."""
    return Path(name).name.partition("__")[0]


def _chosen(
    names: list[str], split: Literal["train", "val"], version: str | None, subset: str | None
) -> list[str]:
    """Those of a split. The paper's draw follows from the names, so it is the same everywhere."""
    if subset:
        if len(names) < PAPER_IMAGES:
            raise ValueError(
                f"{SPLITS['train']} has {len(names)} key frames, and subset=paper draws "
                f"{PAPER_IMAGES}; leave it out, or read other tables with version."
            )
        drawn, cut = hashed(names)[:PAPER_IMAGES], PAPER_IMAGES * 7 // 10
        return sorted(drawn[:cut] if split == "train" else drawn[cut:])
    return divide(names, 0.3, sequence=_log)[split == "val"] if version else names


def _key_frames(tables: Path) -> dict[str, Frame]:
    """Id → frame."""
    table = tables / "sample_data.json"
    fields = ("token", "calibrated_sensor_token", "filename", "height", "width")
    rows = _rows(table, *fields, "fileformat", "is_key_frame", only=("is_key_frame", {True}))
    images = [row for row in rows if row["fileformat"] == "jpg"]  # the LiDAR has key frames, too
    frames = [Frame(tables, *(row[field] for field in fields)) for row in images]
    if not frames:
        raise _damaged(table, "has no key frame of a camera")
    return {frame.file.removeprefix("samples/").removesuffix(".jpg"): frame for frame in frames}


def _drawings(tables: Path, tokens: Collection[str]) -> dict[str, list[Drawing]]:
    """Frame's token → what is drawn over what, from the first to the last."""
    categories = _rows(tables / "category.json", "token", "name")
    names = {row["token"]: row["name"] for row in categories}
    train_ids = {name: train_id for train_id, name in enumerate(CLASSES)}
    fields = ("token", "sample_data_token", "category_token", "mask")
    only = ("sample_data_token", tokens)
    surfaces = _rows(tables / "surface_ann.json", *fields, only=only)
    objects = _rows(tables / "object_ann.json", *fields, only=only)
    found = defaultdict(list)
    for row in (*surfaces, *sorted(objects, key=itemgetter("token"))):
        name = names.get(row["category_token"])
        if name not in train_ids:
            raise _damaged(tables / "category.json", f"calls a mask {name}, which is no class")
        if row["mask"] is not None:
            found[row["sample_data_token"]].append((train_ids[name], row["mask"]))
    return dict(found)


def _rows(
    path: Path, *fields: str, only: tuple[str, Collection[Any]] = ("", ())
) -> list[dict[str, Any]]:
    """Rows of a table, with `only` some values in a field; the others are dropped on the way."""
    key, values = only

    def kept(row: dict[str, Any]) -> dict[str, Any] | None:
        return None if key in row and row[key] not in values else row

    if not path.is_file():
        fix = METADATA.format(path.parents[1])
        raise FileNotFoundError(f"{path} is missing; {fix}, or read other tables with version.")
    with reading(path), path.open(encoding="utf-8") as file:
        rows = json.load(file, object_hook=kept)
    rows = [row for row in rows if row is not None] if isinstance(rows, list) else [rows]
    if not all(isinstance(row, dict) and row.keys() >= {*fields} for row in rows):
        raise _damaged(path, f"has a row without {', '.join(fields)}")
    return rows


def _draw(frame: Frame, drawings: Sequence[Drawing], table: Path) -> NDArray[np.uint8]:
    """(H, W) train ids, 255 where nothing is drawn."""
    from pycocotools import mask as coco

    ids = np.full(
        (frame.height, frame.width), IGNORE_INDEX, np.uint8, order="F"
    )  # as masks, for speed
    try:
        for train_id, mask in drawings:
            counts = base64.b64decode(mask["counts"], validate=True)
            ids[coco.decode({"size": mask["size"], "counts": counts}) == 1] = train_id
    except (IndexError, KeyError, TypeError, ValueError):
        fault = f"has a mask that does not fit {frame.file} of {frame.height}x{frame.width}"
        raise _damaged(table, fault) from None
    return np.ascontiguousarray(ids)


def _damaged(path: Path, fault: str) -> DataError:
    return DataError(f"{path} {fault}; {METADATA.format(path.parents[1])} again.", path)
