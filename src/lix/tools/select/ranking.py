"""From measures to lists: the worth of frames, and a choice of unlike ones."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from lix.tools.select.measures import GRID, SIDES

MAX_WEIGHT = 10.0
"""Largest weight of a rare class, so that a few wrong pixels of the teacher do not rule."""


def class_weights(share: NDArray[np.float32]) -> NDArray[np.float64]:
    """(K,) weight min(1 / (K · share), 10) of each class, by its share of the drive's pixels.

    With it the mean over pixels becomes a mean over classes, as mIoU is one.

    Args:
        share: (N, K) share of the classes in each frame.
    """
    whole = share.mean(axis=0, dtype=np.float64)
    return np.minimum(1 / np.maximum(whole * len(whole), 1e-12), MAX_WEIGHT)


def distance(layouts: NDArray[np.uint8], layout: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) how unlike frames are, in [0, 1]: mean total variation over cells and networks."""
    # Three passes over bytes are four times as fast as the difference of wider integers.
    difference = np.maximum(layouts, layout) - np.minimum(layouts, layout)
    return difference.sum(axis=1, dtype=np.uint32) / (2 * 255 * SIDES * GRID[0] * GRID[1])


def choose(
    worth: NDArray[np.floating], layouts: NDArray[np.uint8], count: int
) -> tuple[list[int], list[float]]:
    r"""Choose frames that are worth much and unlike each other, the best first.

    Greedily, the next frame is that of the largest gain

        worth(f) · min over chosen g of distance(f, g),

    a weighted k-center (Gonzalez 1985; core-set selection, Sener & Savarese 2018). A copy of a
    chosen frame has no gain. Gains only fall while frames are chosen, so that only the frame on top
    is looked at again (lazy evaluation, Minoux 1978): the choice is that of the full search.

    Args:
        worth: (N,), not negative.
        layouts: (N, D) from `measure`.
        count: number of frames; fewer are chosen where no other has a gain.

    Returns:
        Indices in the order of the choice, equal gains by index, and the gain of each.
    """
    # Distances are at most 1, so the worth itself bounds a gain that was never computed.
    heap = [(-float(value), index) for index, value in enumerate(worth) if value > 0]
    heapq.heapify(heap)
    nearest, compared = dict[int, float](), dict[int, int]()
    chosen: list[int] = []
    gains: list[float] = []
    taken = np.empty((min(count, len(worth)), layouts.shape[1]), np.uint8)
    while heap and len(chosen) < count:
        bound, index = heap[0]
        start, layout = compared.get(index, 0), layouts[index]
        if start == len(chosen):
            heapq.heappop(heap)
            taken[len(chosen)] = layout
            chosen.append(index)
            gains.append(-bound)
            continue
        unlike = float(distance(taken[start : len(chosen)], layout).min())
        nearest[index] = min(nearest.get(index, 1.0), unlike)
        compared[index] = len(chosen)
        gain = float(worth[index]) * nearest[index]
        if gain > 0:
            heapq.heapreplace(heap, (-gain, index))
        else:
            heapq.heappop(heap)
    return chosen, gains
