"""A simulated LiDAR on the car's roof: what its rings measure of a street."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lix.streets.arrays import FloatArray
from lix.streets.camera import Camera
from lix.streets.raycast import interval, is_leafy
from lix.streets.shapes import SHAPES
from lix.streets.street import Street

MARGIN = 5.0
"""Degrees that a sweep covers beyond either side of the image: a street is drawn only ahead."""


@dataclass(frozen=True)
class Lidar:
    """A spinning LiDAR; the defaults are close to a sensor of 64 rings."""

    rings: int = 64
    elevation: tuple[float, float] = (-24.8, 2.0)
    """Lowest and highest ring in degrees."""
    step: float = 0.17
    """Azimuth between two measurements of a ring in degrees."""
    reach: float = 120.0
    """Largest range in metres."""
    noise: float = 0.02
    """Standard deviation of the range in metres."""
    dropout: tuple[float, float] = (0.03, 0.3)
    """Shares of measurements that are lost at range 0 and at `reach`; they grow as its square."""
    offset: tuple[float, float, float] = (0.1, -0.35, -0.4)
    """Place to the right of, below and ahead of the camera, in metres."""

    @cached_property
    def lidar_to_camera(self) -> NDArray[np.float64]:
        """(4, 4): from x ahead, y left, z up to the camera's right, down and ahead, in metres."""
        matrix = np.eye(4)
        matrix[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
        matrix[:3, 3] = self.offset
        return matrix

    def directions(self, width: int, focal: float) -> FloatArray:
        """Unit directions (3, rings, azimuths): right, down and ahead."""
        side = np.degrees(np.arctan(width / 2 / focal)) + MARGIN
        azimuth = np.radians(np.arange(-side, side, self.step))
        elevation = np.radians(np.linspace(*self.elevation, self.rings))[:, None]
        right, ahead = np.sin(azimuth), np.cos(azimuth)
        flat = np.cos(elevation)
        down = np.broadcast_to(-np.sin(elevation), (self.rings, len(azimuth)))
        return np.stack([flat * right, down, flat * ahead]).astype(np.float32)


def sweep(street: Street, lidar: Lidar, rng: Generator) -> NDArray[np.float32]:
    """Points of one turn, with noise and without the measurements that are lost.

    Args:
        street: its camera says where the LiDAR is and where it looks.
        lidar: the sensor.
        rng: source of noise and losses.

    Returns:
        (N, 4): x ahead, y left, z up in metres, and reflectance, which is not simulated: 0.
    """
    camera = street.camera
    local = lidar.directions(camera.size[1], camera.focal)
    origin = camera.origin + np.array(lidar.offset, np.float32) @ camera.axes
    world = np.einsum("kra,kj->jra", local, camera.axes)
    ranges = _cast(street, origin, world, camera)
    share = (ranges / lidar.reach).clip(0, 1) ** 2
    lost = rng.random(ranges.shape) < lidar.dropout[0] * (1 - share) + lidar.dropout[1] * share
    hit = (ranges < lidar.reach) & ~lost
    measured = ranges[hit] + rng.normal(0, lidar.noise, int(hit.sum()))
    right, down, ahead = local[:, hit] * measured
    return np.stack([ahead, -right, -down, 0 * ahead], axis=1).astype(np.float32)


def _cast(street: Street, origin: FloatArray, rays: FloatArray, camera: Camera) -> FloatArray:
    """Range in metres at which unit rays (3, rings, azimuths) meet the street, inf: never."""
    scene = street.scene
    ranges, _ = street.road.cast(origin, rays)
    corners = (scene.corners - origin) @ camera.axes.T
    nearest = corners[..., 2].min(axis=1)
    starts = np.einsum("sij,sj->si", scene.to_unit, origin - scene.centre)
    # A ring's rays turn to the right, so a solid that is wholly ahead meets some columns only.
    azimuths = np.arctan2(*(np.einsum("jra,kj->kra", rays, camera.axes)[[0, 2], 0]))
    sides = np.arctan2(corners[..., 0], corners[..., 2])
    for i in np.argsort(nearest).tolist():
        first, last = 0, len(azimuths)
        if nearest[i] > 0:
            first, last = np.searchsorted(azimuths, [sides[i].min(), sides[i].max()])
        buffer = ranges[:, first:last]
        if buffer.size == 0 or buffer.max() <= nearest[i]:
            continue
        window = rays[:, :, first:last]
        look = np.einsum("ij,jra->ira", scene.to_unit[i], window)
        shape = SHAPES[scene.shape[i]]
        enter, leave = interval(shape, starts[i][:, None], look.reshape(3, -1))
        enter[(enter >= leave) | (enter < 0)] = np.inf
        enter = enter.reshape(buffer.shape)
        closer = enter < buffer
        if scene.solids[i].ragged:
            closer &= is_leafy(scene, i, origin, window, enter, closer)
        buffer[closer] = enter[closer]
    return ranges
