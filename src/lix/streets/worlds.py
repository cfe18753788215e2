"""The worlds to choose from: what their streets are like and how the camera is mounted."""

from dataclasses import dataclass
from typing import TypeAlias

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class World:
    """A kind of street.

    Attributes:
        scene: Number of the Virtual KITTI 2 scene under which it is written.
        focal: Focal length as a multiple of the image width.
        camera_height: Metres above the road.
        pitch: Upward tilt of the camera in radians.
        yaw: Standard deviation of the camera's heading in radians.
        lanes: Lanes per direction, lowest and highest number.
        lane_width: Metres.
        parking: Probability of parking lanes.
        kerb: Height of the terrain above the road in metres.
        pavement: Width of the paved strip beside the road in metres.
        curvature: Largest 1 / radius of the road in 1/m.
        crossing: Probability of a side road.
        headway: Mean distance between vehicles of one lane in metres.
        vehicles: Shares of cars, vans and trucks.
        rail: Probability of a guard rail on each side.
        rail_kinds: Shares of steel beams, railings and concrete barriers.
        median: Probability of a guard rail between the directions, where there are lanes enough.
        house_gap: Mean gap between buildings in metres.
        house_height: Metres.
        house_length: Metres along the road.
        setback: Distance of the buildings from the kerb in metres.
        halls: Share of warehouses among the buildings.
        bank: Probability of an embankment on each side.
        tree_gap: Mean distance between trees of one row in metres.
        bush_gap: Mean distance between bushes of one row in metres.
        furniture_gap: Mean distance between poles, signs and lights of one side in metres.
        furniture: Shares of lamp posts, masts, signs and traffic lights.
        gantry: Probability of a sign frame over the road.
        bridge: Probability of a bridge over the road.
        clutter_gap: Mean distance between pieces of clutter of one side in metres.
        people_gap: Mean distance between pedestrians of one side in metres.
        paved: Share of terrain beyond the pavement that is paved instead of green.
    """

    scene: int
    focal: float
    camera_height: Range
    pitch: Range
    yaw: float
    lanes: tuple[int, int]
    lane_width: Range
    parking: float
    kerb: Range
    pavement: Range
    curvature: float
    crossing: float
    headway: float
    vehicles: tuple[float, float, float]
    rail: float
    rail_kinds: tuple[float, float, float]
    median: float
    house_gap: float
    house_height: Range
    house_length: Range
    setback: Range
    halls: float
    bank: float
    tree_gap: float
    bush_gap: float
    furniture_gap: float
    furniture: tuple[float, float, float, float]
    gantry: float
    bridge: float
    clutter_gap: float
    people_gap: float
    paved: float


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
