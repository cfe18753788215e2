"""A data set that is a Python object: any sequence of dicts, such as a torch `Dataset`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from lix.core.errors import DataError, unknown
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import SegDataset
from lix.data.modalities import KINDS, X, XSpec, as_kind
from lix.data.options import as_tuple
from lix.data.palette import Colours, distinct_colours
from lix.data.readers import read_rgb
from lix.data.sample import Sample, check_sizes
from lix.data.splits import Split, no_test_split

MEMORY = "memory"
"""Name of the loader in the recipe of a run whose data were an object."""


class Items(Protocol):
    """Frames by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Mapping[str, Any]: ...


class Frames:
    """A data set in memory, for `lix.train(data=…)`, `lix.distill` and `lix.evaluate`.

    A frame is a dict:

    - `image`: a file's path, a Pillow image, (H, W, 3) uint8, or a tensor (3, H, W), uint8 or
      float in [0, 1];
    - `label`: a Pillow image, array or tensor (H, W) of integers: the place of the class in
      `classes`, or 255 = ignored;
    - `x`, where a teacher is trained or asked: array or tensor (H, W) or (C, H, W) in the unit of
      its kind, such as metres of depth, 0 or NaN = not measured; a tuple where `x` names several
      kinds;
    - `conditions`, only for scores by them: a dict such as `{"weather": "fog"}`.

    Args:
        train, val: frames, anything with `len` and `[]`: a list, a torch `Dataset`, a Hugging Face
            `datasets.Dataset`. They are read when they are needed, in every epoch anew.
        classes: names of the classes.
        x: kind of X, or several: `depth`, `disparity`, `inverse_depth`, `normal` or `channels`.
        palette: RGB of each class; default: colours that people can tell apart.
        test: frames that training never opens, for `lix.evaluate(…, split="test")`.

    Raises:
        ValueError: no classes, too many or doubled ones, an unknown kind of X, or a palette of
            another length.
    """

    def __init__(
        self,
        train: Items,
        val: Items,
        classes: Sequence[str],
        *,
        x: str | Sequence[str] = (),
        palette: Colours | None = None,
        test: Items | None = None,
    ) -> None:
        self.splits: dict[Split, Items] = {"train": train, "val": val}
        if test is not None:
            self.splits["test"] = test
        self.classes, self.x = tuple(classes), as_tuple(x)
        if not 0 < len(set(self.classes)) == len(self.classes) <= IGNORE_INDEX:
            raise ValueError(f"classes are 1 to {IGNORE_INDEX} different names.")
        for kind in self.x:
            if kind not in KINDS:
                raise ValueError(unknown("kind of X", kind, list(KINDS)))
        self.palette = palette or distinct_colours(len(self.classes))
        if len(self.palette) != len(self.classes):
            raise ValueError(f"{len(self.classes)} classes but {len(self.palette)} colours.")


class MemoryDataset(SegDataset):
    """A split of `Frames` as training and evaluation see it.

    Args:
        frames: the data set.
        split: `train`, `val` or `test`.

    Raises:
        ValueError: the split is empty, or there is none.
    """

    in_files = False
    root = Path("the data in memory")
    """A name for messages."""

    def __init__(self, frames: Frames, split: Split) -> None:
        if split not in frames.splits:
            raise no_test_split("The data in memory", "pass it as test= to lix.Frames")
        self.items, self.split = frames.splits[split], split
        self.classes, self.palette, self.kinds = frames.classes, frames.palette, frames.x
        self.ids = list(self.frames(split))
        if not self.ids:
            raise ValueError(f"{split} of the data has no frames; pass some.")
        self.x_sources = tuple(_MemoryX(self, place, kind) for place, kind in enumerate(self.kinds))

    def frames(self, split: Split | None) -> Collection[str]:
        return [f"{split}[{number}]" for number in range(len(self.items))]

    def image_path(self, frame: str) -> Path:
        """A name for messages; nothing is there."""
        return Path(frame)

    label_path = image_path

    def item(self, frame: str) -> Mapping[str, Any]:
        """A frame as the user gives it."""
        number = int(frame.removeprefix(f"{self.split}[").removesuffix("]"))
        item = self.items[number]
        if not isinstance(item, Mapping):
            raise _wrong(frame, f"is a {type(item).__name__}; give a dict of image, label and x")
        return item

    def read(self, frame: str, *, with_x: bool) -> Sample:
        item = self.item(frame)
        target = self._target(frame, _entry(item, "label", frame))
        sample = Sample(_image(frame, _entry(item, "image", frame)), target, frame)
        if with_x:
            self.require_x()
            sample.x = self.read_x(frame, item)
        return check_sizes(sample, Path(frame))

    def conditions(self, frame: str) -> Mapping[str, str]:
        given = self.item(frame).get("conditions") or {}
        if not isinstance(given, Mapping):
            raise _wrong(
                frame, "has conditions that are no dict; give one such as {'weather': 'fog'}"
            )
        return {str(name): str(value) for name, value in given.items()}

    def read_x(self, frame: str, item: Mapping[str, Any]) -> tuple[X, ...]:
        """Every X of a frame."""
        given = _entry(item, "x", frame)
        values = given if isinstance(given, tuple) else (given,)
        if len(values) != len(self.kinds):
            raise _wrong(frame, f"has {len(values)} x; give {', '.join(self.kinds)} as a tuple")
        return tuple(_x(frame, kind, one) for kind, one in zip(self.kinds, values, strict=True))

    def _target(self, frame: str, label: Any) -> tv_tensors.Mask:
        values = _tensor(label)
        if values.ndim != 2 or values.is_floating_point() or values.is_complex():
            shape = tuple(values.shape)
            raise _wrong(frame, f"has a label of {values.dtype} {shape}; give integers (H, W)")
        target = values.long()
        wrong = target[((target < 0) | (target >= len(self.classes))) & (target != IGNORE_INDEX)]
        if len(wrong):
            raise _wrong(
                frame,
                f"has the label {int(wrong[0])}; give 0 to {len(self.classes) - 1}, or "
                f"{IGNORE_INDEX} for what is ignored",
            )
        return tv_tensors.Mask(target)


class _MemoryX:
    """One X of every frame."""

    def __init__(self, dataset: MemoryDataset, place: int, kind: str) -> None:
        self.dataset, self.place, self.kind = dataset, place, kind

    @property
    def spec(self) -> XSpec:
        """Kind and number of channels; `channels` has those of the first frame."""
        channels = KINDS[self.kind].channels or len(self.read(self.dataset.ids[0]))
        return XSpec(self.kind, channels)

    def require(self, frames: Iterable[str]) -> None:
        """Nothing: a frame without X is a sentence when it is read."""

    def path(self, frame: str) -> Path:
        return self.dataset.image_path(frame)

    def read(self, frame: str) -> X:
        return self.dataset.read_x(frame, self.dataset.item(frame))[self.place]


def _wrong(frame: str, what: str) -> DataError:
    return DataError(f"{frame} of the data {what}.", Path(frame), kind="item")


def _entry(item: Mapping[str, Any], key: str, frame: str) -> Any:
    if item.get(key) is None:
        raise _wrong(frame, f"has no {key!r}, only {', '.join(map(repr, item)) or 'nothing'}")
    return item[key]


def _tensor(values: Any) -> Tensor:
    """A Pillow image, array or nested list as a tensor of its own memory."""
    return values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))


def _image(frame: str, image: Any) -> tv_tensors.Image:
    if isinstance(image, str | Path):
        return read_rgb(Path(image))
    values = _tensor(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if not isinstance(image, Tensor) and values.ndim == 3 and values.dtype == torch.uint8:
        values = values.permute(2, 0, 1)
    if values.shape[:-2] != (3,) or not (
        values.dtype == torch.uint8 or (values.is_floating_point() and _is_share(values))
    ):
        raise _wrong(
            frame,
            f"has an image of {values.dtype} {tuple(values.shape)}; give a path, a Pillow image, "
            "(H, W, 3) uint8 or a tensor (3, H, W), uint8 or in [0, 1]",
        )
    return tv_tensors.Image(values if values.dtype == torch.uint8 else values.float())


def _is_share(values: Tensor) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _x(frame: str, kind: str, values: Any) -> X:
    array = _tensor(values)
    try:
        return as_kind(kind, array[None] if array.ndim == 2 else array)
    except ValueError as error:
        raise _wrong(frame, f"has a wrong x: {error}".rstrip(".")) from None
