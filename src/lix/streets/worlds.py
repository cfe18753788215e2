"""The worlds to choose from: what their streets are like and how the camera is mounted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class World:
    """A kind of street."""

    scene: int
    """Number of the Virtual KITTI 2 scene under which it is written."""
    focal: float
    """Focal length as a multiple of the image width."""
    camera_height: Range
    """Height of the camera above the road in metres."""
    pitch: Range
    """Upward tilt of the camera in radians."""
    yaw: float
    """Standard deviation of the camera's heading in radians."""
    lanes: tuple[int, int]
    """Lowest and highest number of lanes per direction."""
    lane_width: Range
    """Width of a lane in metres."""
    parking: float
    """Probability of parking lanes."""
    kerb: Range
    """Height of the terrain above the road in metres."""
    pavement: Range
    """Width of the paved strip next to the road in metres."""
    curvature: float
    """Largest 1 / radius of the road in 1/m."""
    crossing: float
    """Probability of a side road."""
    headway: float
    """Mean distance between vehicles of one lane in metres."""
    vehicles: tuple[float, float, float]
    """Shares of cars, vans and trucks."""
    rail: float
    """Probability of a guard rail on each side."""
    rail_kinds: tuple[float, float, float]
    """Shares of steel beams, railings and concrete barriers."""
    median: float
    """Probability of a guard rail between the directions, where there are lanes enough."""
    house_gap: float
    """Mean gap between buildings in metres."""
    house_height: Range
    """Height of buildings in metres."""
    house_length: Range
    """Length of buildings along the road in metres."""
    setback: Range
    """Distance of the buildings from the kerb in metres."""
    halls: float
    """Share of warehouses among the buildings."""
    bank: float
    """Probability of an embankment on each side."""
    tree_gap: float
    """Mean distance between trees of one row in metres."""
    bush_gap: float
    """Mean distance between bushes of one row in metres."""
    furniture_gap: float
    """Mean distance between poles, signs and lights of one side in metres."""
    furniture: tuple[float, float, float, float]
    """Shares of lamp posts, masts, signs and traffic lights."""
    gantry: float
    """Probability of a sign frame over the road."""
    bridge: float
    """Probability of a bridge over the road."""
    clutter_gap: float
    """Mean distance between pieces of clutter of one side in metres."""
    people_gap: float
    """Mean distance between pedestrians of one side in metres."""
    paved: float
    """Share of terrain beyond the pavement that is paved instead of green."""


WORLDS: dict[str, World] = {
    "town": World(
        scene=1,
        focal=725.0087 / 1242,
        camera_height=(1.45, 1.75),
        pitch=(-0.03, 0.02),
        yaw=0.07,
        lanes=(1, 2),
        lane_width=(2.9, 3.4),
        parking=0.55,
        kerb=(0.10, 0.18),
        pavement=(2.0, 4.0),
        curvature=0.006,
        crossing=0.45,
        headway=19.0,
        vehicles=(0.5, 0.25, 0.25),
        rail=0.4,
        rail_kinds=(0.35, 0.45, 0.2),
        median=0.15,
        house_gap=3.0,
        house_height=(4.0, 14.0),
        house_length=(7.0, 18.0),
        setback=(3.5, 9.0),
        halls=0.15,
        bank=0.1,
        tree_gap=13.0,
        bush_gap=11.0,
        furniture_gap=8.0,
        furniture=(0.2, 0.2, 0.34, 0.26),
        gantry=0.08,
        bridge=0.04,
        clutter_gap=17.0,
        people_gap=22.0,
        paved=0.35,
    ),
    "highway": World(
        scene=2,
        focal=0.70,
        camera_height=(2.0, 2.6),
        pitch=(-0.06, -0.02),
        yaw=0.04,
        lanes=(2, 3),
        lane_width=(3.4, 3.8),
        parking=0.0,
        kerb=(0.02, 0.08),
        pavement=(0.5, 2.0),
        curvature=0.003,
        crossing=0.12,
        headway=26.0,
        vehicles=(0.4, 0.22, 0.38),
        rail=0.8,
        rail_kinds=(0.65, 0.05, 0.3),
        median=0.6,
        house_gap=34.0,
        house_height=(4.0, 9.0),
        house_length=(12.0, 35.0),
        setback=(9.0, 25.0),
        halls=0.7,
        bank=0.45,
        tree_gap=14.0,
        bush_gap=9.0,
        furniture_gap=12.0,
        furniture=(0.2, 0.2, 0.35, 0.25),
        gantry=0.5,
        bridge=0.15,
        clutter_gap=26.0,
        people_gap=70.0,
        paved=0.1,
    ),
}
