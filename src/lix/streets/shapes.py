"""Unit shapes: all that a street is made of, before it is stretched and turned."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np

from lix.streets.arrays import FloatArray


class Polyhedron(NamedTuple):
    """A convex body: the points p with `normals` p <= `offsets`, within the unit cube."""

    normals: FloatArray
    offsets: FloatArray


class Revolution(NamedTuple):
    """A body of revolution: x² + z² <= c0 + c1 y + c2 y² with |y| <= 1."""

    c0: float
    c1: float
    c2: float


Shape: TypeAlias = Polyhedron | Revolution


def _polyhedron(*planes: tuple[float, float, float, float]) -> Polyhedron:
    table = np.array(planes, dtype=np.float32)
    table /= np.linalg.norm(table[:, :3], axis=1, keepdims=True)
    return Polyhedron(table[:, :3], table[:, 3])


FLOOR, TOP = (0, -1, 0, 1), (0, 1, 0, 1)
LEFT, RIGHT, BACK, FRONT = (-1, 0, 0, 1), (1, 0, 0, 1), (0, 0, -1, 1), (0, 0, 1, 1)

BOX = _polyhedron(LEFT, RIGHT, FLOOR, TOP, BACK, FRONT)
CABIN = _polyhedron(
    (-1, 0.12, 0, 0.88), (1, 0.12, 0, 0.88), FLOOR, TOP, (0, 0.16, -1, 0.84), (0, 0.28, 1, 0.72)
)
SNUB = _polyhedron(LEFT, RIGHT, FLOOR, TOP, BACK, FRONT, (0, 0.3, 1, 1.0))
GABLE = _polyhedron(FLOOR, BACK, FRONT, (2, 1, 0, 1), (-2, 1, 0, 1))
SLOPE = _polyhedron(FLOOR, RIGHT, BACK, FRONT, (-1, 1, 0, 0))
ELLIPSOID = Revolution(1.0, 0.0, -1.0)
CYLINDER = Revolution(1.0, 0.0, 0.0)
TAPER = Revolution(0.64, -0.32, 0.04)
CONE = Revolution(0.25, -0.5, 0.25)
SHAPES: tuple[Shape, ...] = (BOX, CABIN, SNUB, GABLE, SLOPE, ELLIPSOID, CYLINDER, TAPER, CONE)


class Axis(IntEnum):
    """Where the unit shape's y axis points: of a mast UP, a wheel RIGHT, a round sign FORWARD."""

    UP = 0
    RIGHT = 1
    FORWARD = 2
