"""Rays against solids: what each pixel sees and what lies in the shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lix.streets.arrays import BoolArray, FloatArray, IntArray
from lix.streets.camera import NEAR, Camera, Window, outer
from lix.streets.ground import Road
from lix.streets.scene import Scene
from lix.streets.shapes import SHAPES, Polyhedron, Shape
from lix.streets.texture import noise

SKY, TERRAIN, ROAD = -1, -2, -3
RAGGED_GRAIN = 3.0
"""Features of the noise in foliage per metre."""
SHADOW_LENGTH = 45.0
"""Longest shadow in metres."""
GROUND_REACH = 640.0
"""Depth in metres beyond which the ground is sky."""


@dataclass(frozen=True)
class Hits:
    """The surfaces that the pixels of a camera see."""

    depth: FloatArray
    """Distance along the optical axis in metres, inf for the sky, (H, W)."""
    index: IntArray
    """Row in the scene, or SKY, TERRAIN, ROAD, (H, W)."""


def cast(scene: Scene, road: Road, camera: Camera) -> Hits:
    """Find the first surface that each pixel's ray meets."""
    depth, is_road = road.cast(camera.origin, camera.rays)
    depth[depth > GROUND_REACH] = np.inf
    index = np.where(np.isinf(depth), SKY, np.where(is_road, ROAD, TERRAIN)).astype(np.int32)
    nearest = ((scene.corners - camera.origin) @ camera.axes[2]).min(axis=1)
    windows = camera.windows(scene.corners)
    starts = np.einsum("sij,sj->si", scene.to_unit, camera.origin - scene.centre)
    bases = np.einsum("kj,sij->ski", camera.ray_basis, scene.to_unit)
    for i in np.argsort(nearest).tolist():
        buffer = depth[windows[i]]
        if buffer.size == 0 or buffer.max() <= nearest[i]:
            continue
        entry = _first_hit(scene, i, starts[i], bases[i], windows[i])
        closer = entry < buffer
        if scene.solids[i].ragged:
            rays = camera.rays[:, windows[i][0], windows[i][1]]
            closer &= is_leafy(scene, i, camera.origin, rays, entry, closer)
        buffer[closer] = entry[closer]
        index[windows[i]][closer] = i
    return Hits(depth, index)


def in_shadow(
    scene: Scene,
    camera: Camera,
    hits: Hits,
    points: FloatArray,
    normal: FloatArray,
    sun: FloatArray,
) -> BoolArray:
    """Whether surface points (3, H, W) face away from the sun or are hidden from it, (H, W)."""
    dark: BoolArray = (np.tensordot(sun, normal, 1) <= 0) | (hits.index == SKY)
    casters = [i for i, solid in enumerate(scene.solids) if solid.casts]
    corners = scene.corners[casters]
    reach = np.clip(corners[..., 1:2], 0, SHADOW_LENGTH * sun[1]) / sun[1]
    swept = np.concatenate([corners, corners - reach * sun], axis=1)
    thing = np.where(hits.index >= 0, scene.thing[hits.index], -1)
    for i, window in zip(casters, camera.windows(swept), strict=True):
        lit = np.nonzero(~dark[window] & (thing[window] != scene.thing[i]))
        if not len(lit[0]):
            continue
        to_unit = scene.to_unit[i]
        starts = to_unit @ (
            points[:, window[0], window[1]][:, lit[0], lit[1]] - scene.centre[i][:, None]
        )
        enter, leave = interval(SHAPES[scene.shape[i]], starts, (to_unit @ sun)[:, None])
        dark[window][lit] = (enter < leave) & (leave > 0)
    return dark


def _first_hit(
    scene: Scene, i: int, start: FloatArray, basis: FloatArray, window: Window
) -> FloatArray:
    """Depth at which the rays of a window enter solid i, inf where they miss it."""
    shape = SHAPES[scene.shape[i]]
    if isinstance(shape, Polyhedron):
        slope = outer(basis @ shape.normals.T, *window)
        gap = shape.offsets - shape.normals @ start
        enter, leave = _clip_by_planes(gap[:, None, None], slope)
    else:
        enter, leave = interval(shape, start[:, None, None], outer(basis, *window))
    enter[(enter >= leave) | (enter < NEAR)] = np.inf
    return enter


def interval(shape: Shape, start: FloatArray, ray: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where rays `start` + t `ray` (3, ...) enter and leave the unit shape."""
    if isinstance(shape, Polyhedron):
        gap = shape.offsets[:, None] - shape.normals @ start
        return _clip_by_planes(gap, shape.normals @ ray)
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


def is_leafy(
    scene: Scene,
    i: int,
    origin: FloatArray,
    rays: FloatArray,
    depth: FloatArray,
    candidate: BoolArray,
) -> BoolArray:
    """Whether foliage is dense enough to be seen: at a crown's rim only where its noise is high."""
    rays = rays[:, candidate]
    offset = origin[:, None] + depth[candidate] * rays
    unit = scene.to_unit[i] @ (offset - scene.centre[i][:, None])
    look = scene.to_unit[i] @ rays
    facing = np.abs((unit * look).sum(axis=0)) / np.sqrt((look**2).sum(axis=0))
    solid = scene.solids[i]
    dense = np.zeros_like(candidate)
    dense[candidate] = facing > solid.ragged * (0.5 + 0.5 * noise(offset * RAGGED_GRAIN))
    return dense
