"""The matter a street is made of: unit shapes, stretched, turned about the vertical and painted.

World axes: x to the right, y up, z along the road; metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lix.data.streets.labels import Label

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int32]
Vector: TypeAlias = tuple[float, float, float]


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
_SHAPE_NUMBER = {id(shape): number for number, shape in enumerate(SHAPES)}


class Axis(IntEnum):
    """Where the y axis of the unit shape points: a mast is UP, a wheel RIGHT, a round sign FORWARD."""

    UP = 0
    RIGHT = 1
    FORWARD = 2


_AXIS_ORDER = np.array([[0, 1, 2], [1, 0, 2], [0, 2, 1]])


class Pattern(IntEnum):
    """How the surface of a solid is drawn, beyond its colour and grain."""

    PLAIN = 0
    FACADE = 1
    BODY = 2
    GLASS = 3
    VAN = 4
    LEAVES = 5
    SIGN = 6
    LAMPS = 7
    PANEL = 8


class Paint(NamedTuple):
    """A surface: colours in linear [0, 1], the texture's grain in metres and its contrast."""

    colour: Vector
    accent: Vector = (0.1, 0.1, 0.12)
    pattern: Pattern = Pattern.PLAIN
    grain: float = 0.5
    contrast: float = 0.15


class Solid(NamedTuple):
    """One primitive. `half`: half sizes to the right, up and forward; `heading` in radians."""

    shape: Shape
    label: Label
    centre: Vector
    half: Vector
    heading: float
    paint: Paint
    thing: int
    axis: Axis
    ragged: float
    casts: bool


class Thing:
    """An object of several solids, each placed in the object's own frame on the ground."""

    def __init__(self, number: int, x: float, y: float, z: float, heading: float) -> None:
        self.number, self.x, self.y, self.z, self.heading = number, x, y, z, heading
        self.solids: list[Solid] = []

    def add(
        self,
        shape: Shape,
        label: Label,
        at: Vector,
        half: Vector,
        paint: Paint,
        *,
        axis: Axis = Axis.UP,
        ragged: float = 0.0,
        casts: bool = True,
    ) -> "Thing":
        """Add a solid with its centre `at` (right, up, forward) metres from the thing's foot."""
        cos, sin = float(np.cos(self.heading)), float(np.sin(self.heading))
        right, up, forward = at
        x, z = self.x + cos * right + sin * forward, self.z - sin * right + cos * forward
        self.solids.append(
            Solid(
                shape, label, (x, self.y + up, z), half, self.heading, paint, self.number, axis,
                ragged, casts,
            )
        )  # fmt: skip
        return self


@dataclass(frozen=True)
class Scene:
    """All solids of a street as arrays with one row per solid."""

    solids: Sequence[Solid]

    def _column(self, name: str) -> FloatArray:
        return np.array([getattr(solid, name) for solid in self.solids], dtype=np.float32)

    def _paint(self, name: str) -> FloatArray:
        return np.array([getattr(solid.paint, name) for solid in self.solids], dtype=np.float32)

    @cached_property
    def centre(self) -> FloatArray:
        """Centres, (S, 3)."""
        return self._column("centre")

    @cached_property
    def axes(self) -> FloatArray:
        """Right, up and forward of each solid in the world, times its half size, (S, 3, 3)."""
        heading, half = self._column("heading"), self._column("half")
        cos, sin, zero = np.cos(heading), np.sin(heading), np.zeros_like(heading)
        right = np.stack([cos, zero, -sin], axis=1) * half[:, :1]
        up = np.stack([zero, zero + 1, zero], axis=1) * half[:, 1:2]
        forward = np.stack([sin, zero, cos], axis=1) * half[:, 2:]
        return np.stack([right, up, forward], axis=1)

    @cached_property
    def to_unit(self) -> FloatArray:
        """Matrices that take world offsets from the centre to the unit shape, (S, 3, 3)."""
        axes = self.axes / (self.axes**2).sum(axis=2, keepdims=True)
        order = _AXIS_ORDER[self._column("axis").astype(np.int32)]
        return np.take_along_axis(axes, order[:, :, None], axis=1)

    @cached_property
    def half(self) -> FloatArray:
        """Half sizes to the right, up and forward, (S, 3)."""
        return self._column("half")

    @cached_property
    def corners(self) -> FloatArray:
        """Corners of the bounding boxes in the world, (S, 8, 3)."""
        signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), axis=-1).reshape(8, 3)
        signs = signs.astype(np.float32)
        return self.centre[:, None] + np.einsum("ck,skj->scj", signs, self.axes)

    @cached_property
    def label(self) -> IntArray:
        """Class ids, (S,)."""
        return self._column("label").astype(np.int32)

    @cached_property
    def thing(self) -> IntArray:
        """Object numbers, (S,)."""
        return self._column("thing").astype(np.int32)

    @cached_property
    def shape(self) -> IntArray:
        """Places in `SHAPES`, (S,)."""
        return np.array([_SHAPE_NUMBER[id(solid.shape)] for solid in self.solids], dtype=np.int32)

    @cached_property
    def colour(self) -> FloatArray:
        """Base colours, (S, 3)."""
        return self._paint("colour")

    @cached_property
    def accent(self) -> FloatArray:
        """Second colours, (S, 3)."""
        return self._paint("accent")

    @cached_property
    def pattern(self) -> IntArray:
        """Surface patterns, (S,)."""
        return self._paint("pattern").astype(np.int32)

    @cached_property
    def grain(self) -> FloatArray:
        """Texture grain in metres, (S,)."""
        return self._paint("grain")

    @cached_property
    def contrast(self) -> FloatArray:
        """Texture contrast, (S,)."""
        return self._paint("contrast")
