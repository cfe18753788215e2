"""Unit shapes: all that a street is made of, before it is stretched and turned."""

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


_FLOOR, _TOP = (0, -1, 0, 1), (0, 1, 0, 1)
_LEFT, _RIGHT, _BACK, _FRONT = (-1, 0, 0, 1), (1, 0, 0, 1), (0, 0, -1, 1), (0, 0, 1, 1)

BOX = _polyhedron(_LEFT, _RIGHT, _FLOOR, _TOP, _BACK, _FRONT)
CABIN = _polyhedron(
    (-1, 0.12, 0, 0.88), (1, 0.12, 0, 0.88), _FLOOR, _TOP, (0, 0.16, -1, 0.84), (0, 0.28, 1, 0.72)
)
SNUB = _polyhedron(_LEFT, _RIGHT, _FLOOR, _TOP, _BACK, _FRONT, (0, 0.3, 1, 1.0))
GABLE = _polyhedron(_FLOOR, _BACK, _FRONT, (2, 1, 0, 1), (-2, 1, 0, 1))
SLOPE = _polyhedron(_FLOOR, _RIGHT, _BACK, _FRONT, (-1, 1, 0, 0))
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
