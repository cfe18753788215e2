"""The tables of nuImages, and the masks in them."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lix.core.errors import DataError
from lix.core.types import IGNORE_INDEX
from lix.data.readers import reading

METADATA = "unpack nuimages-v1.0-all-metadata.tgz into {root}"
TEXTS = {"token", "name", "filename"}
"""Fields that hold text, as those do whose names end in `_token`."""
MAX_SIDE = 1 << 15
"""Maximum height and width of a picture in pixels."""


class Frame(NamedTuple):
    """A key frame of a camera, as `sample_data.json` has it."""

    tables: Path
    token: str
    camera: str
    """Token of its `calibrated_sensor`."""
    file: str
    """Path relative to the root."""
    height: int
    width: int


Drawing = tuple[int, Mapping[str, Any]]
"""Train id, and the mask as `size` and `counts`: COCO's compressed run lengths in base64."""


class Tables:
    """The tables of some versions; those of labels and cameras are read when they are needed.

    Args:
        folders: folders of the versions, such as `v1.0-train`.
        classes: names by train id.
    """

    def __init__(self, folders: Sequence[Path], classes: Sequence[str]) -> None:
        self.folders, self.classes = folders, classes
        self.frames = {name: row for folder in folders for name, row in _key_frames(folder).items()}

    def keep(self, ids: Sequence[str]) -> None:
        """Forget all other frames."""
        self.frames = {name: self.frames[name] for name in ids}

    def target(self, frame: str) -> NDArray[np.uint8]:
        """(H, W) train ids as the development kit draws them, 255 where there is no mask."""
        row = self.frames[frame]
        return _draw(row, self._masks.get(row.token, ()), row.tables / "object_ann.json")

    def camera(self, frame: str) -> Tensor:
        """(3, 3) camera matrix in pixels."""
        row = self.frames[frame]
        try:
            return torch.tensor(self._cameras[row.camera], dtype=torch.float32).view(3, 3)
        except (KeyError, RuntimeError, TypeError, ValueError):
            fault = f"has no camera_intrinsic for {row.file}"
            raise _damaged(row.tables / "calibrated_sensor.json", fault) from None

    @cached_property
    def _masks(self) -> dict[str, list[Drawing]]:
        tokens = {row.token for row in self.frames.values()}
        folders = {row.tables for row in self.frames.values()}
        return {k: v for f in folders for k, v in _drawings(f, self.classes, tokens).items()}

    @cached_property
    def _cameras(self) -> dict[str, Any]:
        return {
            row["token"]: row["camera_intrinsic"]
            for folder in {row.tables for row in self.frames.values()}
            for row in _rows(folder / "calibrated_sensor.json", "token", "camera_intrinsic")
        }


def _key_frames(tables: Path) -> dict[str, Frame]:
    """Id → frame of all key frames of the cameras."""
    table = tables / "sample_data.json"
    fields = ("token", "calibrated_sensor_token", "filename", "height", "width")
    key_rows = _rows(table, *fields, "fileformat", "is_key_frame", only=("is_key_frame", {True}))
    # The LiDAR has key frames, too.
    images = [row for row in key_rows if row["fileformat"] == "jpg"]
    frames = [Frame(tables, *(row[field] for field in fields)) for row in images]
    if not frames:
        raise _damaged(table, "has no key frame of a camera")
    for frame in frames:
        _require_below_samples(frame, table)
    return {frame.file.removeprefix("samples/").removesuffix(".jpg"): frame for frame in frames}


def _require_below_samples(frame: Frame, table: Path) -> None:
    parts = frame.file.replace("\\", "/").split("/")
    if parts[0] != "samples" or ".." in parts:
        raise _damaged(table, f"names {frame.file}, which is not below samples")
    sides = frame.height, frame.width
    if not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in sides):
        raise _damaged(table, f"says that {frame.file} is {frame.height}x{frame.width}")


def _drawings(
    tables: Path, classes: Sequence[str], tokens: Collection[str]
) -> dict[str, list[Drawing]]:
    """Token of a frame → its masks in the order in which they are drawn."""
    categories = _rows(tables / "category.json", "token", "name")
    names = {row["token"]: row["name"] for row in categories}
    train_ids = {name: train_id for train_id, name in enumerate(classes)}
    fields = ("token", "sample_data_token", "category_token", "mask")
    only = ("sample_data_token", tokens)
    surfaces = _rows(tables / "surface_ann.json", *fields, only=only)
    objects = _rows(tables / "object_ann.json", *fields, only=only)
    by_frame = defaultdict(list)
    for row in (*surfaces, *sorted(objects, key=itemgetter("token"))):
        name = names.get(row["category_token"])
        if name not in train_ids:
            raise _damaged(tables / "category.json", f"calls a mask {name}, which is not a class")
        if row["mask"] is not None:
            by_frame[row["sample_data_token"]].append((train_ids[name], row["mask"]))
    return dict(by_frame)


def _rows(
    path: Path, *fields: str, only: tuple[str, Collection[Any]] = ("", ())
) -> list[dict[str, Any]]:
    """Rows of a table; `only` names a field and the values to keep, so that memory stays small."""
    key, values = only

    def keep(row: dict[str, Any]) -> dict[str, Any] | None:
        kept = row.get(key)
        return None if isinstance(kept, str | bool) and kept not in values else row

    if not path.is_file():
        fix = METADATA.format(root=path.parents[1])
        raise FileNotFoundError(f"{path} is missing; {fix}, or read other tables with version.")
    with reading(path), path.open(encoding="utf-8") as file:
        table = json.load(file, object_hook=keep)
    kept_rows = [row for row in table if row is not None] if isinstance(table, list) else [table]
    if not all(isinstance(row, dict) and row.keys() >= {*fields} for row in kept_rows):
        raise _damaged(path, f"has a row without {', '.join(fields)}")
    texts = [field for field in fields if field in TEXTS or field.endswith("_token")]
    if not all(isinstance(row[field], str) for row in kept_rows for field in texts):
        raise _damaged(path, f"has a row whose {' or '.join(texts)} is not text")
    return kept_rows


def _draw(frame: Frame, masks: Sequence[Drawing], table: Path) -> NDArray[np.uint8]:
    """(H, W) train ids, 255 where nothing is drawn."""
    from pycocotools import mask as coco

    # In the order of masks, for speed.
    size = [frame.height, frame.width]
    ids = np.full(size, IGNORE_INDEX, np.uint8, order="F")
    try:
        for train_id, mask in masks:
            if mask["size"] != size:  # decoding another one could fill the memory
                raise ValueError(mask["size"])  # noqa: TRY301
            counts = base64.b64decode(mask["counts"], validate=True)
            ids[coco.decode({"size": size, "counts": counts}) == 1] = train_id
    except (IndexError, KeyError, TypeError, ValueError):
        fault = f"has a mask that does not fit {frame.file} of {frame.height}x{frame.width}"
        raise _damaged(table, fault) from None
    return np.ascontiguousarray(ids)


def _damaged(path: Path, fault: str) -> DataError:
    """The error about a table."""
    message = f"{path} {fault}; {METADATA.format(root=path.parents[1])} again."
    return DataError(message, path, kind="table")
