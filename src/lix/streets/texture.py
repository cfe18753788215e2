"""Value noise on a fixed random lattice: the same point always has the same value."""

import numpy as np

from lix.streets.arrays import FloatArray

_SIDE = 32
_LATTICE: FloatArray = np.random.default_rng(20).uniform(-1, 1, _SIDE**3).astype(np.float32)


def cell_noise(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """One random value in [-1, 1] per unit cell of space."""
    i, j, k = (np.floor(c).astype(np.int32) & (_SIDE - 1) for c in (x, y, z))
    values: FloatArray = _LATTICE.take((i * _SIDE + j) * _SIDE + k)
    return values


def noise(points: FloatArray) -> FloatArray:
    """Smooth noise in [-1, 1] with features of unit size at `points` (3, ...)."""
    floor = np.floor(points)
    step = points - floor
    step *= step * (3 - 2 * step)
    low = floor.astype(np.int32) & (_SIDE - 1)
    high = (low + 1) & (_SIDE - 1)
    sides = []
    for x in (low[0] * _SIDE**2, high[0] * _SIDE**2):
        edges = []
        for y in (low[1] * _SIDE, high[1] * _SIDE):
            near, far = _LATTICE.take(x + y + low[2]), _LATTICE.take(x + y + high[2])
            edges.append(_blend(near, far, step[2]))
        sides.append(_blend(edges[0], edges[1], step[1]))
    return _blend(sides[0], sides[1], step[0])


def _blend(a: FloatArray, b: FloatArray, share: FloatArray) -> FloatArray:
    return a + share * (b - a)
