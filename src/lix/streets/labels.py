"""The classes of Virtual KITTI 2 and their official colours."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Virtual KITTI 2's classes in the order of its colors.txt."""

    TERRAIN = 0
    SKY = 1
    TREE = 2
    VEGETATION = 3
    BUILDING = 4
    ROAD = 5
    GUARD_RAIL = 6
    TRAFFIC_SIGN = 7
    TRAFFIC_LIGHT = 8
    POLE = 9
    MISC = 10
    TRUCK = 11
    CAR = 12
    VAN = 13
    UNDEFINED = 14


COLOURS: dict[str, tuple[int, int, int]] = {
    "Terrain": (210, 0, 200),
    "Sky": (90, 200, 255),
    "Tree": (0, 199, 0),
    "Vegetation": (90, 240, 0),
    "Building": (140, 140, 140),
    "Road": (100, 60, 100),
    "GuardRail": (250, 100, 255),
    "TrafficSign": (255, 255, 0),
    "TrafficLight": (200, 200, 0),
    "Pole": (255, 130, 0),
    "Misc": (80, 80, 80),
    "Truck": (160, 60, 60),
    "Car": (255, 127, 80),
    "Van": (0, 139, 139),
    "Undefined": (0, 0, 0),
}
COLOUR_TABLE = np.array(list(COLOURS.values()), dtype=np.uint8)
