"""From hits to a photograph: albedo, light, shadow, haze, sky and sensor."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lix.streets.arrays import BoolArray, FloatArray
from lix.streets.camera import Camera
from lix.streets.patterns import albedo, ground_albedo
from lix.streets.raycast import ROAD, SKY, Hits, in_shadow
from lix.streets.street import Street
from lix.streets.surface import locate
from lix.streets.texture import noise
from lix.streets.weather import Weather

UP = np.array([0, 1, 0], dtype=np.float32)
BLUR = 0.16
"""Share that each neighbour has in a pixel behind the lens."""
GAMMA = np.float32(0.82)


def photograph(
    street: Street, camera: Camera, hits: Hits, weather: Weather, rng: Generator
) -> NDArray[np.uint8]:
    """Render what the camera sees, 8-bit RGB (H, W, 3); `rng` draws the sensor's noise."""
    sky = hits.index == SKY
    depth = np.where(sky, np.float32(1), hits.depth)
    points = camera.origin[:, None, None] + depth * camera.rays
    colour, normal = _surfaces(street, camera, hits, points, depth)
    dark = in_shadow(street.scene, camera, hits, points, normal, weather.sun)
    colour = colour * _light(weather, normal, dark)
    length = np.sqrt((camera.rays**2).sum(axis=0))
    colour = _mirror(weather, hits, camera.rays / length, colour)
    haze = 1 - np.exp(-depth * length / np.float32(weather.visibility))
    colour += haze * (weather.horizon[:, None, None] - colour)
    if sky.any():
        colour[:, sky] = _sky(weather, (camera.rays / length)[:, sky])
    return _expose(weather, colour, rng)


def _surfaces(
    street: Street, camera: Camera, hits: Hits, points: FloatArray, depth: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Albedo and normals of all pixels, (3, H, W) each."""
    colour = np.zeros_like(points)
    normal = np.broadcast_to(UP[:, None, None], points.shape).copy()
    ground = hits.index < SKY
    is_road = hits.index[ground] == ROAD
    footprint = depth[ground] / np.float32(camera.focal)
    colour[:, ground] = ground_albedo(street.road, points[:, ground], is_road, footprint)
    solid = hits.index >= 0
    if solid.any():
        surface = locate(street.scene, points[:, solid], hits.index[solid])
        colour[:, solid] = albedo(street.scene, surface)
        normal[:, solid] = surface.normal
    return colour, normal


def _light(weather: Weather, normal: FloatArray, dark: BoolArray) -> FloatArray:
    """Direct light where the sun reaches, plus light from the sky, (3, H, W)."""
    direct = np.clip(np.tensordot(weather.sun, normal, 1), 0, None) * ~dark
    # Under a cloudy sky the shadow straight below is all that is left of occlusion.
    openness = (0.74 + 0.26 * normal[1]) * np.where(dark, np.float32(0.82), np.float32(1))
    sunlight, ambient = weather.sunlight[:, None, None], weather.ambient[:, None, None]
    return np.asarray(sunlight * direct + ambient * openness, dtype=np.float32)


def _mirror(weather: Weather, hits: Hits, look: FloatArray, colour: FloatArray) -> FloatArray:
    """Let wet ground mirror the sky, the more the flatter one looks at it."""
    if not weather.wet:
        return colour
    share = np.where(hits.index < SKY, 0.65 * (1 + np.minimum(look[1], 0)) ** 4, 0)
    return np.asarray(colour + share * (weather.horizon[:, None, None] - colour), dtype=np.float32)


def _sky(weather: Weather, look: FloatArray) -> FloatArray:
    """Colours of the sky in unit directions (3, N)."""
    height = np.clip(look[1], 0, 1)
    blend = np.clip(height / 0.45, 0, 1) ** 0.7
    horizon, zenith = weather.horizon[:, None], weather.zenith[:, None]
    colour = horizon + blend * (zenith - horizon)
    spread = look / (height + np.float32(0.15))
    puffs = noise(spread * np.float32(1.3)) + np.float32(0.5) * noise(spread * np.float32(3.7))
    cover = np.clip((puffs + 2.4 * weather.clouds - 1.1) * 1.4, 0, 1) * 0.85
    cloud = horizon * (np.float32(1.08) + np.float32(0.1) * puffs)
    return np.asarray(colour + cover * (cloud - colour), dtype=np.float32)


def _expose(weather: Weather, colour: FloatArray, rng: Generator) -> NDArray[np.uint8]:
    """Blur by the lens, gain, tone curve and noise."""
    for axis in (1, 2):
        wide = np.concatenate([colour.take([0], axis), colour, colour.take([-1], axis)], axis)
        ends = np.split(wide, [2, wide.shape[axis] - 2], axis)
        before = np.concatenate(ends[:2], axis)
        after = np.concatenate(ends[1:], axis)
        colour = (1 - 2 * BLUR) * colour + BLUR * (before + after)
    grain = rng.standard_normal(colour.shape, dtype=np.float32) * np.float32(weather.noise)
    image = np.clip(colour * np.float32(weather.exposure), 0, 1) ** GAMMA + grain
    levels: NDArray[np.uint8] = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels.transpose(1, 2, 0)
