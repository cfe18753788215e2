"""What a survey counts, frame by frame."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lix.core.types import IGNORE_INDEX
from lix.data.x_files import XFiles
from lix.tools.check.frame import FrameFacts, Size, XFacts
from lix.tools.check.quantiles import Quantiles

FIRST = 3
"""So many frames of a group are named."""
SMALL = 64
"""Pixels below which the side of an image is small: networks see it 32 times smaller."""
GROWTH = 1.2
"""X that changes less than this from the middle to the bottom of an image tells nothing."""


@dataclass(frozen=True)
class Frame:
    """Where to find a frame again, and what to call it."""

    split: str
    id: str
    name: str


@dataclass
class Group:
    """Frames that have something in common: how many, and the first of them."""

    count: int = 0
    first: list[Frame] = field(default_factory=list)

    def add(self, frame: Frame) -> None:
        """Count a frame."""
        self.count += 1
        if len(self.first) < FIRST:
            self.first.append(frame)

    @property
    def names(self) -> str:
        """Of the first."""
        more = ", …" if self.count > len(self.first) else ""
        return ", ".join(frame.name for frame in self.first) + more


@dataclass
class XTally:
    """One X of a split."""

    kind: str
    channels: int
    description: XFiles | None = None
    """What the numbers on disk are said to mean; None: not known."""
    files: int = 0
    """That could be read."""
    pixels: int = 0
    valid: int = 0
    low: float = np.inf
    high: float = -np.inf
    quantiles: Quantiles = field(default_factory=Quantiles)
    """Of the values; of normals, of their lengths."""
    grows: int = 0
    """Frames whose values grow from the middle to the bottom of the image."""
    falls: int = 0
    constant: Group = field(default_factory=Group)
    empty: Group = field(default_factory=Group)

    def add(self, frame: Frame, facts: XFacts) -> None:
        """Count one frame's X."""
        self.files += 1
        self.pixels += facts.pixels
        self.valid += facts.valid
        self.low, self.high = min(self.low, facts.low), max(self.high, facts.high)
        self.quantiles.add(facts.sample)
        self.grows += facts.slope > GROWTH
        self.falls += facts.slope < 1 / GROWTH
        if not facts.valid:
            self.empty.add(frame)
        elif facts.low == facts.high:
            self.constant.add(frame)

    @property
    def valid_share(self) -> float:
        """Of all pixels; NaN without files."""
        return self.valid / self.pixels if self.pixels else np.nan

    def percentiles(self, *percents: float) -> list[float]:
        """Values below which so many percent lie, of normals of their lengths; NaN: none."""
        found = self.quantiles.at([percent / 100 for percent in percents])
        if self.kind != "normal" and self.valid:
            found = found.clip(self.low, self.high)
        listed: list[float] = found.tolist()
        return listed


@dataclass
class SplitTally:
    """One split."""

    name: str
    frames: int
    """That it has; `read` of them were read."""
    read: int = 0
    images: int = 0
    """That could be read, as with `labels` and the `files` of an X."""
    labels: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """By train id."""
    containing: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """Label images that have the train id."""
    one_value: Group = field(default_factory=Group)
    """Label images of one class, or ignored everywhere."""
    turned: Group = field(default_factory=Group)
    small: Group = field(default_factory=Group)
    cameras: int = 0
    off_centre: Group = field(default_factory=Group)
    """Frames whose principal point is far from the middle of the image."""
    sequences: Counter[str] = field(default_factory=Counter)
    moments: set[str] = field(default_factory=set)
    """Of frames whose name tells of others that show the same instant."""
    x: list[XTally] = field(default_factory=list)

    def add(self, frame: Frame, facts: FrameFacts) -> None:
        """Count one frame."""
        self.read += 1
        self._add_image(frame, facts)
        if facts.labels is not None:
            self.labels += 1
            self.pixels += facts.labels
            self.containing += facts.labels > 0
            if np.count_nonzero(facts.labels) == 1:
                self.one_value.add(frame)
        for tally, found in zip(self.x, facts.x, strict=True):
            if found is not None:
                tally.add(frame, found)

    def _add_image(self, frame: Frame, facts: FrameFacts) -> None:
        self.cameras += facts.camera is not None
        if facts.size is None:
            return
        self.images += 1
        self.sizes[facts.size] += 1
        if min(facts.size) < SMALL:
            self.small.add(frame)
        if facts.is_turned:
            self.turned.add(frame)
        if facts.camera is not None and _is_off_centre(facts.camera, facts.size):
            self.off_centre.add(frame)

    def share(self, train_id: int) -> float:
        """Of the pixels that are not ignored, or, of 255, of all pixels; NaN without any."""
        ignored = 0 if train_id == IGNORE_INDEX else self.pixels[IGNORE_INDEX]
        total = self.pixels.sum() - ignored
        return float(self.pixels[train_id] / total) if total else np.nan


def _is_off_centre(camera: tuple[float, float], size: Size) -> bool:
    """Whether the principal point is outside the middle half of the image."""
    (x, y), (height, width) = camera, size
    return not (width / 4 <= x <= width * 3 / 4 and height / 4 <= y <= height * 3 / 4)
