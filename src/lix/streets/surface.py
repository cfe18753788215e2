"""Where on which solid the pixels look: local coordinates and normals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lix.streets.arrays import FloatArray, IntArray
from lix.streets.scene import Scene
from lix.streets.shapes import SHAPES, Axis, Polyhedron, Revolution


class Surface(NamedTuple):
    """N points on solids."""

    solid: IntArray
    """Rows in the scene, (N,)."""
    local: FloatArray
    """Metres from the solid's centre to the right, up and forward, (3, N)."""
    share: FloatArray
    """`local` over the half sizes: within [-1, 1], (3, N)."""
    normal: FloatArray
    """Outward unit normals in the world, (3, N)."""
    facing: FloatArray
    """The same normals in the solid's own frame, (3, N)."""

    def part(self, where: IntArray) -> Surface:
        """The points numbered `where`."""
        return Surface(self.solid[where], *(column[:, where] for column in self[1:]))


def locate(scene: Scene, points: FloatArray, solid: IntArray) -> Surface:
    """Describe points (3, N) that lie on the solids (N,)."""
    cos, sin = np.cos(scene.heading)[solid], np.sin(scene.heading)[solid]
    x, y, z = points - scene.centre.T[:, solid]
    local = np.stack([cos * x - sin * z, y, sin * x + cos * z])
    half, axis = scene.half.T[:, solid], scene.axis[solid]
    share = local / half
    facing = _turn(_unit_normals(scene.shape[solid], _turn(share, axis)), axis) / half
    facing /= np.sqrt((facing**2).sum(axis=0)) + np.float32(1e-12)
    right, up, forward = facing
    normal = np.stack([cos * right + sin * forward, up, cos * forward - sin * right])
    return Surface(solid, local, share, normal, facing)


def _turn(columns: FloatArray, axis: IntArray) -> FloatArray:
    """Swap the up component (3, N) with that along the axis of the unit shape, there and back."""
    turned = columns.copy()
    for other in (Axis.RIGHT, Axis.FORWARD):
        here = np.flatnonzero(axis == other)
        swapped = 0 if other == Axis.RIGHT else 2
        turned[1, here], turned[swapped, here] = columns[swapped, here], columns[1, here]
    return turned


def _unit_normals(shape: IntArray, unit: FloatArray) -> FloatArray:
    """Normals of the unit shapes at points (3, N)."""
    normals = np.empty_like(unit)
    for number in np.unique(shape):
        here = np.flatnonzero(shape == number)
        kind = SHAPES[number]
        if isinstance(kind, Polyhedron):
            face = (kind.normals @ unit[:, here] - kind.offsets[:, None]).argmax(axis=0)
            normals[:, here] = kind.normals[face].T
        else:
            normals[:, here] = _round_normals(kind, unit[:, here])
    return normals


def _round_normals(kind: Revolution, unit: FloatArray) -> FloatArray:
    x, y, z = unit
    normal = np.stack([x, -(kind.c1 / 2 + kind.c2 * y), z])
    inside = x**2 + z**2 < 0.995 * (kind.c0 + (kind.c1 + kind.c2 * y) * y)
    cap = inside & (np.abs(y) > 0.99)
    normal[:, cap] = np.stack([0 * y[cap], np.sign(y[cap]), 0 * y[cap]])
    return normal
