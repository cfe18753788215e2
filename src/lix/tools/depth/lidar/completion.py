"""From the points of a LiDAR to depth between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lix.tools.depth.lidar.projection import Depth, typical_gaps

SAME_SURFACE = 1.25
"""Ratio of depths up to which two neighbouring measurements are of one surface."""
ACROSS, DOWN = 3, 3
"""Largest holes that are filled, as multiples of the typical distance between measurements."""


def complete(depth: Depth, image: NDArray[np.uint8] | None = None) -> Depth:
    """Fill the holes between measurements; what lies above the highest ring stays without a value.

    First along the rows, which rings nearly follow, then down the columns, then along the rows
    again. Between two measurements of one surface the inverse depth is interpolated linearly,
    which is exact on planes; between those of two surfaces depth jumps, in the middle of the hole
    or, with `image`, where the image changes most.

    Args:
        depth: (H, W) metres, NaN = hole, without hidden points.
        image: (H, W, 3) RGB.

    Returns:
        (H, W) metres; NaN where a hole is too large or has one end only.
    """
    gaps = typical_gaps(depth)
    inverse = np.reciprocal(depth)
    across, down = (None, None) if image is None else _changes(image)
    _bridge(inverse, ACROSS * gaps.columns, across)
    turned = np.ascontiguousarray(inverse.T)
    _bridge(turned, DOWN * gaps.rows, None if down is None else np.ascontiguousarray(down.T))
    inverse = np.ascontiguousarray(turned.T)
    _bridge(inverse, ACROSS * gaps.columns, across)
    return np.reciprocal(inverse)


def _changes(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much grey changes from each pixel to the next, along rows and down columns, (H, W)."""
    import cv2

    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    steps = (np.diff(np.float32(grey), axis=axis, append=0) for axis in (1, 0))
    along, down = (np.abs(step) for step in steps)
    return along, down


def _bridge(inverse: NDArray[np.float32], reach: int, change: NDArray[np.float32] | None) -> None:
    """Fill holes of rows that are at most `reach` wide, in place.

    Args:
        inverse: (H, W) inverse depth, NaN = hole.
        reach: pixels between the two ends.
        change: (H, W) from each pixel to the next in its row; the largest between two surfaces is
            their border.
    """
    values, width = inverse.ravel(), inverse.shape[1]
    place = np.flatnonzero(np.isfinite(values))
    steps = np.diff(place)
    is_hole = (steps > 1) & (steps <= reach)
    begin, steps = place[:-1][is_hole], steps[is_hole]
    is_row = begin // width == (begin + steps) // width
    begin, steps = begin[is_row], steps[is_row]
    first, last = values[begin], values[begin + steps]
    jumps = np.maximum(first, last) > SAME_SURFACE * np.minimum(first, last)
    length = steps - 1
    length[jumps] = steps[jumps] // 2
    if change is not None and jumps.any():
        length[jumps] = _strongest(change.ravel(), begin[jumps], steps[jumps])
    slope = np.where(jumps, 0, (last - first) / steps).astype(np.float32)
    rest = (begin + 1 + length)[jumps]
    _draw(values, begin + 1, length, first + slope, slope)
    _draw(values, rest, (begin + steps)[jumps] - rest, last[jumps], np.zeros_like(rest, np.float32))


def _draw(
    values: NDArray[np.float32],
    begin: NDArray[np.int64],
    length: NDArray[np.int64],
    value: NDArray[np.float32],
    slope: NDArray[np.float32],
) -> None:
    """Write runs of pixels: each begins with a value that grows by a slope."""
    place = _places(begin, length)
    offset = (place - np.repeat(begin, length)).astype(np.float32)
    values[place] = np.repeat(value, length) + np.repeat(slope, length) * offset


def _strongest(
    change: NDArray[np.float32], begin: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Number of steps of each run before the largest change."""
    starts = np.cumsum(length) - length
    place = _places(begin, length)
    run = np.repeat(np.arange(len(begin)), length)
    is_largest = change[place] == np.maximum.reduceat(change[place], starts)[run]
    offset = np.where(is_largest, place - begin[run], len(change))
    strongest: NDArray[np.int64] = np.minimum.reduceat(offset, starts)
    return strongest


def _places(begin: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """All places of runs, one after the other."""
    before = np.cumsum(length) - length
    return np.arange(int(length.sum())) + np.repeat(begin - before, length)
