"""What a survey counts, frame by frame, for the rules and the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lix.core.types import IGNORE_INDEX
from lix.data.labels import Form
from lix.data.x_files import XFiles
from lix.tools.check.alignment import Alignment
from lix.tools.check.frame import Colour, FrameFacts, Size, XFacts
from lix.tools.check.quantiles import Quantiles

MAX_NAMES_SHOWN = 3
"""Maximum number of frames of a group that are named."""
MIN_SIDE = 64
"""Pixels below which the side of an image is small: networks see it 32 times smaller."""
MIN_BOTTOM_RATIO = 1.2
"""Ratio from the middle to the bottom of an image below which X has no direction."""


@dataclass(frozen=True)
class Frame:
    """Where to find a frame again, and what to call it."""

    split: str
    id: str
    name: str


@dataclass
class Group:
    """Frames that have something in common: their number, and the first of them."""

    count: int = 0
    first: list[Frame] = field(default_factory=list)

    def add(self, frame: Frame) -> None:
        """Count a frame."""
        self.count += 1
        if len(self.first) < MAX_NAMES_SHOWN:
            self.first.append(frame)

    @property
    def names(self) -> str:
        """Names of the first frames."""
        more = ", …" if self.count > len(self.first) else ""
        return ", ".join(frame.name for frame in self.first) + more


@dataclass
class XStatistics:
    """Statistics of one X of a split."""

    kind: str
    channels: int
    description: XFiles | None = None
    """Description of the numbers on disk; None: not known."""
    files: int = 0
    """Number of files that could be read."""
    pixels: int = 0
    valid: int = 0
    low: float = np.inf
    high: float = -np.inf
    quantiles: Quantiles = field(default_factory=Quantiles)
    """Quantiles of the values; of normals, those of their lengths."""
    grows: int = 0
    """Number of frames whose values grow from the middle to the bottom of the image."""
    falls: int = 0
    constant: Group = field(default_factory=Group)
    empty: Group = field(default_factory=Group)
    alignment: Alignment = field(default_factory=Alignment)
    """How well X fits the image, of some frames."""

    def add(self, frame: Frame, facts: XFacts) -> None:
        """Count one frame's X."""
        self.files += 1
        self.pixels += facts.pixels
        self.valid += facts.valid
        self.low, self.high = min(self.low, facts.low), max(self.high, facts.high)
        self.quantiles.add(facts.sample)
        self.grows += facts.bottom_ratio > MIN_BOTTOM_RATIO
        self.falls += facts.bottom_ratio < 1 / MIN_BOTTOM_RATIO
        if not facts.valid:
            self.empty.add(frame)
        elif facts.low == facts.high:
            self.constant.add(frame)

    @property
    def valid_share(self) -> float:
        """Share of valid pixels; NaN without files."""
        return self.valid / self.pixels if self.pixels else np.nan

    def percentiles(self, *percents: float) -> list[float]:
        """Percentiles of the values, of normals those of their lengths; NaN without values."""
        values = self.quantiles.at([percent / 100 for percent in percents])
        if self.kind != "normal" and self.valid:
            values = values.clip(self.low, self.high)
        listed: list[float] = values.tolist()
        return listed


@dataclass
class SplitStatistics:
    """Statistics of one split."""

    name: str
    frames: int
    """Number of frames in the split; `read` of them were read."""
    read: int = 0
    images: int = 0
    """Number of images that could be read, as `labels` is of labels."""
    labels: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """Pixels by train id."""
    containing: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """Number of label images that have the train id."""
    one_value: Group = field(default_factory=Group)
    """Label images of one class, or ignored everywhere."""
    forms: dict[Form, Group] = field(default_factory=dict)
    """Label images by the way in which they are read, where there are several."""
    palette: dict[int, Colour] = field(default_factory=dict)
    """First colour of each index in label files with palettes that are not used."""
    repainted: Group = field(default_factory=Group)
    """Label images that give an index another colour."""
    turned: Group = field(default_factory=Group)
    """Images that are turned as their EXIF orientation says."""
    small: Group = field(default_factory=Group)
    cameras: int = 0
    off_centre: Group = field(default_factory=Group)
    """Frames whose principal point is far from the middle of the image."""
    sequences: Counter[str] = field(default_factory=Counter)
    instants: set[str] = field(default_factory=set)
    """Instants of frames whose names say that others show the same."""
    x: list[XStatistics] = field(default_factory=list)

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
            if facts.form is not None:
                self.forms.setdefault(facts.form, Group()).add(frame)
            self.palette = (facts.palette or {}) | self.palette
            if any(self.palette[code] != colour for code, colour in (facts.palette or {}).items()):
                self.repainted.add(frame)
        for statistics, x in zip(self.x, facts.x, strict=True):
            if x is not None:
                statistics.add(frame, x)

    def _add_image(self, frame: Frame, facts: FrameFacts) -> None:
        self.cameras += facts.camera is not None
        if facts.size is None:
            return
        self.images += 1
        self.sizes[facts.size] += 1
        if min(facts.size) < MIN_SIDE:
            self.small.add(frame)
        if facts.is_turned:
            self.turned.add(frame)
        if facts.camera is not None and _is_off_centre(facts.camera, facts.size):
            self.off_centre.add(frame)

    def share(self, train_id: int) -> float:
        """Share of a class among the pixels that are not ignored; of 255: among all pixels."""
        ignored = 0 if train_id == IGNORE_INDEX else self.pixels[IGNORE_INDEX]
        total = self.pixels.sum() - ignored
        return float(self.pixels[train_id] / total) if total else np.nan


def _is_off_centre(camera: tuple[float, float], size: Size) -> bool:
    """Whether the principal point is outside the middle half of the image."""
    (x, y), (height, width) = camera, size
    return not (width / 4 <= x <= width * 3 / 4 and height / 4 <= y <= height * 3 / 4)
