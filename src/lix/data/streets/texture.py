"""Value noise on a fixed random lattice: the same point always has the same value."""

import numpy as np
from numpy.typing import NDArray

from lix.data.streets.solids import FloatArray

_SIDE = 32
_LATTICE: FloatArray = np.random.default_rng(20).uniform(-1, 1, _SIDE**3).astype(np.float32)


def cell_noise(x: FloatArray, y: FloatArray, z: FloatArray | float = 0.0) -> FloatArray:
    """One random value in [-1, 1] per unit cell of space."""
    x, y, z = (np.floor(c).astype(np.int32) & (_SIDE - 1) for c in (x, y, np.asarray(z)))
    return _LATTICE.take((x * _SIDE + y) * _SIDE + z)


def noise(points: FloatArray) -> FloatArray:
    """Smooth noise in [-1, 1] with features of unit size at `points` (3, ...)."""
    floor = np.floor(points)
    step = points - floor
    step *= step * (3 - 2 * step)
    low = floor.astype(np.int32) & (_SIDE - 1)
    high = (low + 1) & (_SIDE - 1)
    corners: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = list(zip(low, high, strict=True))
    (x0, x1), (y0, y1), (z0, z1) = corners
    x0, x1, y0, y1 = x0 * _SIDE**2, x1 * _SIDE**2, y0 * _SIDE, y1 * _SIDE
    sides = []
    for x in (x0, x1):
        edges = []
        for y in (y0, y1):
            near, far = _LATTICE.take(x + y + z0), _LATTICE.take(x + y + z1)
            edges.append(near + step[2] * (far - near))
        sides.append(edges[0] + step[1] * (edges[1] - edges[0]))
    return sides[0] + step[0] * (sides[1] - sides[0])
