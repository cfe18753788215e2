"""The road and the terrain next to it: a curved strip, a kerb's height below its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lix.streets.arrays import FloatArray
from lix.streets.solids import Paint

KERB_STEPS = 8
"""Bisections that find where a ray meets the kerb's face."""


@dataclass(frozen=True)
class Road:
    """A road that starts along +z at the origin and bends sideways."""

    curvature: float
    """1 / radius in 1/m; positive bends to the right."""
    half_width: float
    """Half of the carriageway in metres, parking lanes included."""
    lane_width: float
    """Width of one lane in metres."""
    lanes: int
    """Lanes per direction."""
    parking: float
    """Width of each parking lane in metres (0: none)."""
    kerb: float
    """Height of the terrain above the road in metres."""
    pavement: float
    """Width of the paved strip next to the kerb in metres."""
    crossing: float
    """Distance of a side road in metres, or infinity."""
    crossing_half_width: float
    """Half of the side road in metres."""
    asphalt: Paint
    """Surface of the road."""
    paving: Paint
    """Surface of the paved strip."""
    soil: Paint
    """Surface of the terrain beyond; its accent covers the share `bare` in patches."""
    bare: float
    """Share of the terrain in the accent's colour."""

    def place(self, along: float, lateral: float) -> tuple[float, float, float]:
        """x, z and heading of the point `lateral` metres right of the centre line."""
        heading = float(np.arctan(self.curvature * along))
        x = 0.5 * self.curvature * along**2 + lateral * np.cos(heading)
        return float(x), float(along - lateral * np.sin(heading)), heading

    def lateral(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """Signed distance from the centre line in metres."""
        slope = self.curvature * z
        aside: FloatArray = (x - 0.5 * slope * z) / np.sqrt(1 + slope**2)
        return aside

    def covers(self, x: FloatArray, z: FloatArray) -> NDArray[np.bool_]:
        """Whether the point (x, z) lies on the carriageway or on the side road."""
        aside = np.abs(self.lateral(x, z)) < self.half_width
        across = np.abs(z - self.crossing) < self.crossing_half_width
        return np.asarray(aside | across)

    def crosses(self, along: float, margin: float) -> bool:
        """Whether the side road passes within `margin` metres of the distance `along`."""
        return abs(along - self.crossing) < self.crossing_half_width + margin

    def cast(self, origin: FloatArray, rays: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Depth at which rays (3, H, W) meet the ground (inf: never), and whether it is road."""
        down = np.minimum(rays[1], np.float32(-1e-6))

        def meet(height: float) -> tuple[FloatArray, NDArray[np.bool_]]:
            depth = (height - origin[1]) / down
            return depth, self.covers(origin[0] + depth * rays[0], origin[2] + depth * rays[2])

        upper, upper_is_road = meet(self.kerb)
        lower, is_road = meet(0.0)
        depth = np.where(upper_is_road, lower, upper)
        face = upper_is_road & ~is_road
        if face.any():
            depth[face] = self._kerb_face(origin, rays[:, face], upper[face], lower[face])
        depth[rays[1] > -1e-4] = np.inf
        return depth, upper_is_road & is_road

    def _kerb_face(
        self, origin: FloatArray, rays: FloatArray, near: FloatArray, far: FloatArray
    ) -> FloatArray:
        """Bisect rays (3, N) between the road at `near` and the terrain at `far`."""
        for _ in range(KERB_STEPS):
            middle = (near + far) / 2
            road = self.covers(origin[0] + middle * rays[0], origin[2] + middle * rays[2])
            near, far = np.where(road, middle, near), np.where(road, far, middle)
        return far
