"""The camera: pixels to rays, and solids to the pixels that may see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TypeAlias

import numpy as np

from lix.streets.arrays import BoolArray, FloatArray, IntArray

NEAR = 0.3

Window: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll; pixel centres have integer coordinates."""

    size: tuple[int, int]
    """Height and width in pixels."""
    focal: float
    """Focal length in pixels."""
    position: tuple[float, float, float]
    """x, y, z in metres."""
    yaw: float
    """Rotation to the right in radians."""
    pitch: float
    """Rotation upwards in radians."""

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point, column then row."""
        height, width = self.size
        return (width - 1) / 2, (height - 1) / 2

    @property
    def origin(self) -> FloatArray:
        """The optical centre, (3,)."""
        return np.array(self.position, dtype=np.float32)

    @cached_property
    def axes(self) -> FloatArray:
        """Right, down and forward as rows, (3, 3)."""
        (cy, sy), (cp, sp) = ((np.cos(a), np.sin(a)) for a in (self.yaw, self.pitch))
        right = (cy, 0, -sy)
        down = (sy * sp, -cp, cy * sp)
        forward = (sy * cp, sp, cy * cp)
        return np.array([right, down, forward], dtype=np.float32)

    @cached_property
    def ray_basis(self) -> FloatArray:
        """Rows a, b, c, so that pixel (u, v) looks along a + u b + v c, one metre deep."""
        right, down, forward = self.axes
        (u, v), f = self.centre, self.focal
        return np.stack([forward - (u * right + v * down) / f, right / f, down / f])

    @cached_property
    def rays(self) -> FloatArray:
        """Directions of all pixels, one metre deep, (3, H, W)."""
        return outer(self.ray_basis, slice(0, self.size[0]), slice(0, self.size[1]))

    def beside(self, metres: float) -> Camera:
        """The same camera, moved to its right."""
        x, y, z = (float(c) for c in self.origin.astype(np.float64) + metres * self.axes[0])
        return Camera(self.size, self.focal, (x, y, z), self.yaw, self.pitch)

    def windows(self, points: FloatArray) -> list[Window]:
        """Rows and columns of the pixels that the hulls of points (S, P, 3) can cover."""
        local = (points - self.origin) @ self.axes.T
        visible = local[..., 2] >= NEAR
        bounds = self._bounds(local, visible)
        cut = np.flatnonzero(visible.any(axis=1) & ~visible.all(axis=1))
        if len(cut):
            bounds[cut] = self._bounds(*_clip_to_near(local[cut], visible[cut]))
        return [(slice(top, end), slice(left, right)) for top, end, left, right in bounds.tolist()]

    def _bounds(self, local: FloatArray, visible: BoolArray) -> IntArray:
        """Top, end, left and right of the visible ones of the camera-frame points (S, P, 3)."""
        depth = np.where(visible, local[..., 2], 1.0)
        sides = []
        for axis, middle, length in ((1, self.centre[1], 0), (0, self.centre[0], 1)):
            pixel = middle + self.focal * local[..., axis] / depth
            low = np.where(visible, pixel, np.inf).min(axis=1)
            high = np.where(visible, pixel, -np.inf).max(axis=1)
            limit = self.size[length]
            sides += [np.clip(np.ceil(low), 0, limit), np.clip(np.floor(high) + 1, 0, limit)]
        return np.stack(sides, axis=1).astype(np.int32)


def outer(basis: FloatArray, rows: slice, columns: slice) -> FloatArray:
    """A + u b + v c for the rows (a, b, c) of `basis` (3, N) over a window; (N, rows, columns)."""
    u = np.arange(columns.start, columns.stop, dtype=np.float32)
    v = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    a, b, c = basis[:, :, None, None]
    looks: FloatArray = (a + v * c) + u * b
    return looks


def _clip_to_near(local: FloatArray, visible: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Add the points where the segments between points (S, P, 3) cut the near plane."""
    first, second = np.array(list(combinations(range(local.shape[1]), 2))).T
    a, b = local[:, first], local[:, second]
    crossing = visible[:, first] != visible[:, second]
    rise = np.where(crossing, b[..., 2] - a[..., 2], 1.0)
    cuts = a + ((NEAR - a[..., 2]) / rise)[..., None] * (b - a)
    return np.concatenate([local, cuts], axis=1), np.concatenate([visible, crossing], axis=1)
