"""Whether X jumps where the image has edges, and the shift of X that fits better if not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lix.data.dataset import SegDataset
from lix.data.readers import read_array
from lix.data.x_files import XSource

KINDS = ("depth", "disparity")
JUMP = 1.2
"""Ratio of neighbouring depths or disparities that is the border of two surfaces."""
REACH = 4
"""Pixels between two neighbouring values of sparse X."""
WIDTH = 640
"""Width in pixels to which images are reduced, about."""
TEXTURE = 7
"""Reach in reduced pixels of the mean that is taken off: edges stand out from texture."""
MAX_SHIFT = 24
"""Largest shift that is tried, in reduced pixels."""
MIN_JUMPS = 60
"""Minimum number of jumps of a frame."""

Scores = NDArray[np.float32]
"""(2 · MAX_SHIFT + 1)²: how well X fits when it is moved, down and to the right."""


class Shift(NamedTuple):
    """A shift of X, and how much better than none it fits."""

    down: int
    """Pixels, negative = up."""
    right: int
    """Pixels, negative = left."""
    score: float
    """Deviations above the mean of all shifts."""
    unshifted: float
    """Score of X as it is, one reduced pixel more or less."""
    opposite: float
    """Score of the shift the other way, one reduced pixel more or less."""


@dataclass
class Alignment:
    """Scores of several frames, added up."""

    frames: int = 0
    factor: int = 0
    """Pixels of the image in one reduced pixel."""
    scores: Scores | None = None

    def add(self, image: NDArray[np.uint8], values: NDArray[np.float32]) -> None:
        """Add a frame: the image (H, W, 3) and X (H, W), NaN = invalid."""
        factor = max(1, round(image.shape[1] / WIDTH))
        scores = alignment(image, values, factor) if values.shape == image.shape[:2] else None
        if scores is not None and self.factor in (0, factor):
            self.frames, self.factor = self.frames + 1, factor
            self.scores = scores if self.scores is None else self.scores + scores

    @property
    def best(self) -> Shift | None:
        """The shift that fits best; None without frames."""
        if self.scores is None:
            return None
        mean = self.scores / np.float32(self.frames)
        row, column = (int(i) for i in np.unravel_index(mean.argmax(), mean.shape))
        unshifted = _around(mean, MAX_SHIFT, MAX_SHIFT)
        opposite = _around(mean, -1 - row, -1 - column)
        down, right = (self.factor * (place - MAX_SHIFT) for place in (row, column))
        return Shift(down, right, float(mean.max()), unshifted, opposite)


def _around(scores: Scores, row: int, column: int) -> float:
    """Largest score of a place and its neighbours; negative places count from the end."""
    side = len(scores)
    rows, columns = (slice(max(0, i % side - 1), i % side + 2) for i in (row, column))
    return float(scores[rows, columns].max())


def align(dataset: SegDataset, source: XSource, frames: Sequence[str]) -> Alignment:
    """Alignment of an X of some frames; those that cannot be read are left out."""
    total = Alignment()
    for frame in frames if source.spec.kind in KINDS else ():
        try:
            image = read_array(dataset.image_path(frame), "RGB")
            values = source.read(frame).as_subclass(Tensor)[0].numpy()
        except (ValueError, OSError):
            continue
        total.add(image, values)
    return total


def jumps(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where depth or disparity (H, W) jumps to a neighbour, right or below; NaN = invalid."""
    is_jump = np.zeros(values.shape, bool)
    for turned, marks in ((values, is_jump), (values.T, is_jump.T)):
        line, place = np.nonzero(np.isfinite(turned) & (turned > 0))
        step = np.diff(place)
        valid = turned[line, place]
        low, high = np.minimum(valid[:-1], valid[1:]), np.maximum(valid[:-1], valid[1:])
        jump = (np.diff(line) == 0) & (step <= REACH) & (high > JUMP * low)
        marks[line[:-1][jump], (place[:-1] + step // 2)[jump]] = True
    return is_jump


def alignment(image: NDArray[np.uint8], values: NDArray[np.float32], factor: int) -> Scores | None:
    """How well the jumps of X fit the edges of the image, for each shift of X.

    The correlation of the two in deviations from its mean over all shifts.

    Args:
        image: (H, W, 3) RGB.
        values: (H, W) depth or disparity, NaN = invalid.
        factor: pixels that become one.

    Returns:
        None where X has too few jumps.
    """
    marks = jumps(values)
    if marks.sum() < MIN_JUMPS:
        return None
    grey = image.astype(np.float32).mean(axis=2)
    change = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    change += np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    where, edges = (_reduced(v, factor) for v in (marks.astype(np.float32), np.sqrt(change)))
    edges -= avg_pool2d(edges, 2 * TEXTURE + 1, 1, TEXTURE, count_include_pad=False)
    shape = [side + MAX_SHIFT for side in edges.shape[-2:]]
    product = torch.fft.rfft2(edges, shape) * torch.fft.rfft2(where.clamp(max=1), shape).conj()
    all_scores = torch.fft.irfft2(product, shape).roll((MAX_SHIFT, MAX_SHIFT), (-2, -1))
    scores = all_scores[0, : 2 * MAX_SHIFT + 1, : 2 * MAX_SHIFT + 1]
    normal: Scores = ((scores - scores.mean()) / scores.std().clamp(min=1e-12)).numpy()
    return normal


def _reduced(values: NDArray[np.float32], factor: int) -> Tensor:
    """Means of squares of pixels times their number, (1, h, w)."""
    return avg_pool2d(torch.from_numpy(values)[None], factor) * factor**2
