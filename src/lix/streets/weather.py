"""Light and air: the variations of Virtual KITTI 2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from lix.streets.arrays import FloatArray, Vector

VARIATIONS = ("clone", "morning", "overcast", "sunset", "fog", "rain")


class _Climate(NamedTuple):
    elevation: tuple[float, float]
    sun: float
    warmth: float
    ambient: float
    zenith: Vector
    horizon: Vector
    visibility: tuple[float, float]
    clouds: tuple[float, float]
    noise: tuple[float, float]


CLIMATES = {
    "clone": _Climate(
        (0.6, 1.1), 0.95, 0.05, 0.55, (0.24, 0.42, 0.72), (0.66, 0.74, 0.82),
        (500, 1500), (0.2, 0.7), (0.010, 0.025),
    ),
    "morning": _Climate(
        (0.3, 0.6), 0.85, 0.16, 0.50, (0.36, 0.48, 0.68), (0.80, 0.76, 0.70),
        (250, 700), (0.1, 0.6), (0.012, 0.03),
    ),
    "overcast": _Climate(
        (1.3, 1.5), 0.25, 0.0, 0.72, (0.56, 0.58, 0.61), (0.74, 0.75, 0.76),
        (300, 900), (0.5, 1.0), (0.012, 0.03),
    ),
    "sunset": _Climate(
        (0.22, 0.4), 0.75, 0.32, 0.36, (0.28, 0.30, 0.46), (0.84, 0.60, 0.42),
        (250, 700), (0.2, 0.7), (0.02, 0.045),
    ),
    "fog": _Climate(
        (1.3, 1.5), 0.12, 0.0, 0.72, (0.66, 0.67, 0.68), (0.72, 0.73, 0.74),
        (35, 90), (0.0, 0.2), (0.012, 0.03),
    ),
    "rain": _Climate(
        (1.3, 1.5), 0.12, -0.04, 0.50, (0.38, 0.40, 0.44), (0.52, 0.54, 0.57),
        (80, 220), (0.5, 1.0), (0.02, 0.04),
    ),
}  # fmt: skip


class Weather(NamedTuple):
    """One image's light, air and sensor."""

    sun: FloatArray
    """Direction to the sun, (3,)."""
    sunlight: FloatArray
    """Colour and strength of direct light, (3,)."""
    ambient: FloatArray
    """Colour and strength of light from the sky, (3,)."""
    zenith: FloatArray
    """Colour of the sky above, (3,)."""
    horizon: FloatArray
    """Colour of the sky at the horizon and of the haze, (3,)."""
    visibility: float
    """Distance in metres at which haze hides 63 % of a surface."""
    clouds: float
    """Cover of the sky in [0, 1]."""
    wet: bool
    """Whether the ground mirrors the sky."""
    noise: float
    """Standard deviation of the sensor's noise, of [0, 1]."""
    exposure: float
    """Gain of the sensor."""


def draw_weather(rng: Generator, variation: str) -> Weather:
    """Draw the weather of an image within its variation."""
    climate = CLIMATES[variation]
    elevation, azimuth = rng.uniform(*climate.elevation), rng.uniform(0, 2 * np.pi)
    level = np.cos(elevation)
    sun = (level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth))
    warm = np.array((1.0, 1 - 0.45 * climate.warmth, 1 - 1.2 * climate.warmth))
    tint = rng.normal(1, 0.018, 3)

    def colour(value: Vector | FloatArray, gain: float = 1.0) -> FloatArray:
        return np.asarray(np.asarray(value) * gain * tint, dtype=np.float32)

    return Weather(
        sun=np.array(sun, dtype=np.float32),
        sunlight=colour(warm.astype(np.float32), climate.sun * rng.uniform(0.8, 1.1)),
        ambient=colour((0.95, 1.0, 1.06), climate.ambient * rng.uniform(0.85, 1.1)),
        zenith=colour(climate.zenith, rng.uniform(0.9, 1.1)),
        horizon=colour(climate.horizon, rng.uniform(0.9, 1.1)),
        visibility=float(rng.uniform(*climate.visibility)),
        clouds=float(rng.uniform(*climate.clouds)),
        wet=variation == "rain",
        noise=float(rng.uniform(*climate.noise)),
        exposure=float(rng.uniform(0.85, 1.2)),
    )
