"""Value noise on a fixed random lattice: the same point always has the same value."""

from __future__ import annotations

import numpy as np

from lix.streets.arrays import FloatArray

SIDE = 32
"""Cells of the lattice along each axis; a power of two."""
LATTICE: FloatArray = np.random.default_rng(20).uniform(-1, 1, SIDE**3).astype(np.float32)


def cell_noise(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """One random value in [-1, 1] per unit cell of space."""
    i, j, k = (np.floor(c).astype(np.int32) & (SIDE - 1) for c in (x, y, z))
    values: FloatArray = LATTICE.take((i * SIDE + j) * SIDE + k)
    return values


def noise(points: FloatArray) -> FloatArray:
    """Smooth noise in [-1, 1] with features of unit size at `points` (3, ...)."""
    floor = np.floor(points)
    step = points - floor
    step *= step * (3 - 2 * step)
    low = floor.astype(np.int32) & (SIDE - 1)
    high = (low + 1) & (SIDE - 1)
    sides = []
    for x in (low[0] * SIDE**2, high[0] * SIDE**2):
        edges = []
        for y in (low[1] * SIDE, high[1] * SIDE):
            near, far = LATTICE.take(x + y + low[2]), LATTICE.take(x + y + high[2])
            edges.append(_blend(near, far, step[2]))
        sides.append(_blend(edges[0], edges[1], step[1]))
    return _blend(sides[0], sides[1], step[0])


def _blend(a: FloatArray, b: FloatArray, share: FloatArray) -> FloatArray:
    return a + share * (b - a)
