"""Rays against solids: what each pixel sees and what lies in the shadow."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lix.data.streets.ground import Road
from lix.data.streets.solids import SHAPES, FloatArray, IntArray, Polyhedron, Revolution, Scene
from lix.data.streets.texture import noise

SKY, TERRAIN, ROAD = -1, -2, -3
_NEAR = 0.3
_RAGGED_GRAIN = 3.0
_SHADOW_REACH = 45.0
_GROUND_REACH = 640.0

BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll; pixel centres have integer coordinates.

    Attributes:
        size: Height and width in pixels.
        focal: Focal length in pixels.
        position: x, y, z in metres.
        yaw: Rotation to the right in radians.
        pitch: Rotation upwards in radians.
    """

    size: tuple[int, int]
    focal: float
    position: tuple[float, float, float]
    yaw: float
    pitch: float

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
        return _outer(self.ray_basis, slice(0, self.size[0]), slice(0, self.size[1]))

    def beside(self, metres: float) -> "Camera":
        """The same camera, moved to its right."""
        x, y, z = (float(c) for c in self.origin.astype(np.float64) + metres * self.axes[0])
        return Camera(self.size, self.focal, (x, y, z), self.yaw, self.pitch)

    def rectangles(self, points: FloatArray) -> IntArray:
        """Pixel bounds (top, bottom, left, right) of the hulls of points (S, P, 3); (S, 4)."""
        local = (points - self.origin) @ self.axes.T
        visible = local[..., 2] >= _NEAR
        bounds = self._bounds(local, visible)
        cut = np.flatnonzero(visible.any(axis=1) & ~visible.all(axis=1))
        if len(cut):
            bounds[cut] = self._bounds(*_clip_to_near(local[cut], visible[cut]))
        return bounds

    def _bounds(self, local: FloatArray, visible: BoolArray) -> IntArray:
        """Bounds of the visible ones of the camera-frame points (S, P, 3)."""
        depth = np.where(visible, local[..., 2], 1.0)
        sides = []
        for axis, middle, length in ((1, self.centre[1], 0), (0, self.centre[0], 1)):
            pixel = middle + self.focal * local[..., axis] / depth
            low = np.where(visible, pixel, np.inf).min(axis=1)
            high = np.where(visible, pixel, -np.inf).max(axis=1)
            limit = self.size[length]
            sides += [np.clip(np.ceil(low), 0, limit), np.clip(np.floor(high) + 1, 0, limit)]
        return np.stack(sides, axis=1).astype(np.int32)


@dataclass(frozen=True)
class Hits:
    """What the pixels see.

    Attributes:
        depth: Distance along the optical axis in metres, inf for the sky, (H, W).
        index: Row in the scene, or SKY, TERRAIN, ROAD, (H, W).
    """

    depth: FloatArray
    index: IntArray


def cast(scene: Scene, road: Road, camera: Camera) -> Hits:
    """Find the first surface that each pixel's ray meets."""
    depth, is_road = road.cast(camera.origin, camera.rays)
    depth[depth > _GROUND_REACH] = np.inf
    index = np.where(np.isinf(depth), SKY, np.where(is_road, ROAD, TERRAIN)).astype(np.int32)
    nearest = ((scene.corners - camera.origin) @ camera.axes[2]).min(axis=1)
    bounds = camera.rectangles(scene.corners)
    starts = np.einsum("sij,sj->si", scene.to_unit, camera.origin - scene.centre)
    bases = np.einsum("kj,sij->ski", camera.ray_basis, scene.to_unit)
    for i in np.argsort(nearest):
        rows, columns = _slices(bounds[i])
        window = depth[rows, columns]
        if window.size == 0 or window.max() <= nearest[i]:
            continue
        found = _first_hit(scene, i, starts[i], bases[i], (rows, columns))
        closer = found < window
        if scene.solids[i].ragged:
            closer &= _is_leafy(scene, i, camera, found, closer, (rows, columns))
        window[closer] = found[closer]
        index[rows, columns][closer] = i
    return Hits(depth, index)


def in_shadow(
    scene: Scene, camera: Camera, points: FloatArray, index: IntArray, sun: FloatArray
) -> BoolArray:
    """Whether points (3, H, W), on the solids `index`, are hidden from the sun (direction, (3,))."""
    dark = np.zeros(index.shape, dtype=np.bool_)
    casters = np.array([i for i, solid in enumerate(scene.solids) if solid.casts])
    corners = scene.corners[casters]
    reach = np.clip(corners[..., 1:2], 0, _SHADOW_REACH * sun[1]) / sun[1]
    bounds = camera.rectangles(np.concatenate([corners, corners - reach * sun], axis=1))
    thing = np.where(index >= 0, scene.thing[index], -1)
    for i, bound in zip(casters, bounds, strict=True):
        rows, columns = _slices(bound)
        open_ = ~dark[rows, columns] & (thing[rows, columns] != scene.thing[i])
        if not open_.any():
            continue
        to_unit = scene.to_unit[i]
        starts = to_unit @ (points[:, rows, columns][:, open_] - scene.centre[i][:, None])
        enter, leave = _interval(SHAPES[scene.shape[i]], starts, (to_unit @ sun)[:, None])
        dark[rows, columns][open_] = (enter < leave) & (leave > 0)
    return dark


def _outer(basis: FloatArray, rows: slice, columns: slice) -> FloatArray:
    """a + u b + v c for the rows (a, b, c) of `basis` (3, N) over a window; (N, rows, columns)."""
    u = np.arange(columns.start, columns.stop, dtype=np.float32)
    v = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    a, b, c = basis[:, :, None, None]
    return (a + v * c) + u * b


def _slices(bounds: IntArray) -> tuple[slice, slice]:
    top, bottom, left, right = (int(b) for b in bounds)
    return slice(top, bottom), slice(left, right)


def _clip_to_near(local: FloatArray, visible: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Add the points where the segments between points (S, P, 3) cut the near plane."""
    first, second = np.array(list(combinations(range(local.shape[1]), 2))).T
    a, b = local[:, first], local[:, second]
    crossing = visible[:, first] != visible[:, second]
    rise = np.where(crossing, b[..., 2] - a[..., 2], 1.0)
    cuts = a + ((_NEAR - a[..., 2]) / rise)[..., None] * (b - a)
    return np.concatenate([local, cuts], axis=1), np.concatenate([visible, crossing], axis=1)


def _first_hit(
    scene: Scene, i: int, start: FloatArray, basis: FloatArray, window: tuple[slice, slice]
) -> FloatArray:
    """Depth at which the rays of a window enter solid i, inf where they miss it."""
    shape = SHAPES[scene.shape[i]]
    if isinstance(shape, Polyhedron):
        slope = _outer(basis @ shape.normals.T, *window)
        gap = shape.offsets - shape.normals @ start
        enter, leave = _clip_by_planes(gap[:, None, None], slope)
    else:
        enter, leave = _interval(shape, start[:, None, None], _outer(basis, *window))
    enter[(enter >= leave) | (enter < _NEAR)] = np.inf
    return enter


def _interval(
    shape: Polyhedron | Revolution, start: FloatArray, ray: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where rays `start` + t `ray` (3, ...) enter and leave the unit shape."""
    if isinstance(shape, Polyhedron):
        gap = shape.offsets.reshape(-1, *[1] * (start.ndim - 1)) - np.tensordot(
            shape.normals, start, 1
        )
        return _clip_by_planes(gap, np.tensordot(shape.normals, ray, 1))
    (x, y, z), (dx, dy, dz) = start, ray
    a = dx * dx + dz * dz - shape.c2 * dy * dy
    a = np.maximum(a, np.float32(1e-9))
    b = x * dx + z * dz - (shape.c2 * y + shape.c1 / 2) * dy
    c = x * x + z * z - shape.c0 - (shape.c1 + shape.c2 * y) * y
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    dy = np.where(np.abs(dy) < 1e-9, np.float32(1e-9), dy)
    side = np.abs(1 / dy)
    middle = -y / dy
    enter = np.maximum((-b - root) / a, middle - side)
    leave = np.minimum((-b + root) / a, middle + side)
    return enter, np.where(discriminant > 0, leave, -np.inf).astype(np.float32)


def _clip_by_planes(gap: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Interval of t in which t `slope` <= `gap` holds for all planes (first axis)."""
    slope = np.where(np.abs(slope) < 1e-9, np.float32(1e-9), slope)
    t = gap / slope
    entering = slope < 0
    enter = np.where(entering, t, np.float32(-np.inf)).max(axis=0)
    leave = np.where(entering, np.float32(np.inf), t).min(axis=0)
    return enter, leave


def _is_leafy(
    scene: Scene,
    i: int,
    camera: Camera,
    depth: FloatArray,
    candidate: BoolArray,
    window: tuple[slice, slice],
) -> BoolArray:
    """Whether foliage is dense enough to be seen: at a crown's rim only where its noise is high."""
    rays = camera.rays[:, window[0], window[1]][:, candidate]
    offset = camera.origin[:, None] + depth[candidate] * rays
    unit = scene.to_unit[i] @ (offset - scene.centre[i][:, None])
    look = scene.to_unit[i] @ rays
    facing = np.abs((unit * look).sum(axis=0)) / np.sqrt((look**2).sum(axis=0))
    solid = scene.solids[i]
    dense = np.zeros_like(candidate)
    dense[candidate] = facing > solid.ragged * (0.5 + 0.5 * noise(offset * _RAGGED_GRAIN))
    return dense
