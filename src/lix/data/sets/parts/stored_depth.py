"""Depth of RGB-D sets, whose unit follows from how a copy of the set stores it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lix.data.modalities import X, as_kind
from lix.data.patterns import find_files
from lix.data.readers import read_array
from lix.data.x_files import FileSource, XFiles

GREY = XFiles(kind="channels", scale=1 / 255)
"""Depth as a grey picture of 8 bits, each stretched to its own nearest and farthest point."""
INDOORS = (0.5, 10.0)
"""Nearest and farthest point in metres of what depth cameras measure."""
METRES = XFiles(kind="depth", unit="m", range=INDOORS)
FARTHEST = 8000
"""Millimetres; SUN RGB-D's toolbox takes everything beyond as being there."""


class StoredDepth(NamedTuple):
    """Depth that copies of a set store as numbers of 16 bits, as a grey picture, or as `.npy`."""

    numbers: XFiles
    """What the numbers of 16 bits mean."""
    rotated: bool = False
    """Whether the numbers are those of SUN RGB-D: millimetres, rotated left by three bits."""

    def source(self, path: Callable[[str], Path], fix: str, first: str) -> DepthSource:
        """The source of a set; `first` is a frame of it."""
        return DepthSource(self, path, fix, first)


class DepthSource(FileSource):
    """Reads what the first file in the folder turns out to be, which is opened with X only."""

    def __init__(
        self, stored: StoredDepth, path: Callable[[str], Path], fix: str, first: str
    ) -> None:
        self.stored, self.path, self.fix, self._first = stored, path, fix, first

    @cached_property
    def files(self) -> XFiles:  # type: ignore[override]
        """What the numbers mean."""
        for path in find_files(self.path(self._first).parent, "*")[:1]:
            if path.suffix == ".npy":
                return METRES
            if read_array(path).dtype == np.uint8:
                return GREY
        return self.stored.numbers

    def read(self, frame: str) -> X:
        path = self.path(frame)
        if self.files is GREY:  # matplotlib saves four equal channels
            return as_kind("channels", torch.from_numpy(read_array(path, "L"))[None] / 255)
        depth = self.files.read(path)
        if not self.stored.rotated or self.files is METRES:
            return depth
        code = depth.as_subclass(torch.Tensor).nan_to_num().int()
        millimetres = (code >> 3) | (code << 13 & 0xFFFF)
        return as_kind("depth", millimetres.clamp(max=FARTHEST) / 1000)
