"""A data set without the frames that cannot be read, for those who ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from lix.core.errors import DataError
from lix.data.modalities import X, XSpec
from lix.data.readers import missing_allowed
from lix.data.sample import SegDataset, check_sizes
from lix.data.x_files import XSource
from lix.runs.data import open_dataset
from lix.runs.recipe import Data

NAMED = 10
"""So many are named."""


def open_readable(
    data: Data, split: Literal["train", "val"], *, with_x: bool, console: Console
) -> SegDataset:
    """`open_dataset`, where the recipe says `skip_damaged` without what is missing or damaged."""
    if not data.skip_damaged:
        return open_dataset(data, split)
    with missing_allowed():
        whole = open_dataset(data, split)

    def tell(sentence: str) -> None:
        console.print(f"[yellow]warning:[/] {escape(sentence)}")

    return without_damaged(whole, with_x=with_x, tell=tell)


def without_damaged(whole: SegDataset, *, with_x: bool, tell: Callable[[str], None]) -> SegDataset:
    """Read every frame once, and leave out those that are damaged.

    Args:
        whole: the data set.
        with_x: whether X is wanted too.
        tell: gets one sentence that counts and names what is left out.

    Raises:
        ValueError: no frame can be read.
    """
    faults = [_fault(whole, index, with_x=with_x) for index in range(len(whole))]
    kept = [index for index, fault in enumerate(faults) if fault is None]
    damaged = [f"{whole.ids[i]} ({fault})" for i, fault in enumerate(faults) if fault]
    if not kept:
        raise ValueError(f"No frame of the split can be read; the first one: {damaged[0]}")
    if not damaged:
        return whole
    named = "; ".join(damaged[:NAMED]) + ("; …" if len(damaged) > NAMED else "")
    tell(f"{len(damaged)} of {len(whole)} frames are left out as missing or damaged: {named}")
    return _Kept(whole, kept)


def _fault(whole: SegDataset, index: int, *, with_x: bool) -> str | None:
    try:
        sample = whole.read(index, with_x=False)
        if with_x:
            sample.x = tuple(source.read(index) for source in whole.x_sources)
            check_sizes(sample, whole.image_path(index))
    except DataError as error:
        return str(error)
    return None


class _Kept(SegDataset):
    """Some frames of a data set.

    Args:
        whole: the data set.
        frames: indices of what is kept.
    """

    def __init__(self, whole: SegDataset, frames: Sequence[int]) -> None:
        self.whole, self.frames = whole, list(frames)
        self.classes, self.palette = whole.classes, whole.palette
        self.ids = [whole.ids[frame] for frame in self.frames]
        self.x_sources = tuple(_KeptX(source, self.frames) for source in whole.x_sources)

    def image_path(self, index: int) -> Path:
        return self.whole.image_path(self.frames[index])

    def label_path(self, index: int) -> Path:
        return self.whole.label_path(self.frames[index])

    def read_target(self, index: int) -> NDArray[np.uint8]:
        return self.whole.read_target(self.frames[index])

    def fingerprint(self) -> object:
        return self.whole.fingerprint()

    def sequence(self, name: str) -> str:
        return self.whole.sequence(name)

    def moment(self, name: str) -> str:
        return self.whole.moment(name)

    def intrinsics(self, index: int) -> Tensor | None:
        return self.whole.intrinsics(self.frames[index])


class _KeptX:
    """X of some frames."""

    def __init__(self, source: XSource, frames: Sequence[int]) -> None:
        self.source, self.frames = source, frames

    @property
    def files(self) -> object:
        """What the numbers mean, where the source says it."""
        return getattr(self.source, "files", self.source.spec)

    @property
    def spec(self) -> XSpec:
        return self.source.spec

    def require(self, indices: Iterable[int]) -> None:
        self.source.require(self.frames[index] for index in indices)

    def read(self, index: int) -> X:
        return self.source.read(self.frames[index])

    def path(self, index: int) -> Path:
        return self.source.path(self.frames[index])
