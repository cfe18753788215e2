"""Solids: unit shapes, stretched, turned about the vertical and painted.

World axes: x to the right, y up, z along the road; metres.
"""

from __future__ import annotations

from enum import IntEnum
from math import cos, sin
from typing import NamedTuple

from lix.streets.arrays import Vector
from lix.streets.labels import Label
from lix.streets.shapes import Axis, Shape

DETAIL_REACH = 45.0
"""Metres up to which things have details."""
SHADOW_REACH = 70.0
"""Metres up to which things cast a shadow."""


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
        detail: bool = False,
    ) -> Thing:
        """Add a solid with its centre `at` (right, up, forward) metres from the thing's foot.

        Far away a `detail` is left out, and no shadow falls.
        """
        if detail and self.z > DETAIL_REACH:
            return self
        casts = casts and self.z < SHADOW_REACH
        right, up, forward = at
        c, s = cos(self.heading), sin(self.heading)
        x, z = self.x + c * right + s * forward, self.z - s * right + c * forward
        self.solids.append(
            Solid(
                shape, label, (x, self.y + up, z), half, self.heading, paint, self.number, axis,
                ragged, casts,
            )
        )  # fmt: skip
        return self
