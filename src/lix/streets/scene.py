"""All solids of a street as arrays, for the ray caster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from lix.streets.arrays import FloatArray, IntArray
from lix.streets.shapes import SHAPES
from lix.streets.solids import Solid

SHAPE_NUMBER = {id(shape): number for number, shape in enumerate(SHAPES)}
AXIS_ORDER = np.array([[0, 1, 2], [1, 0, 2], [0, 2, 1]])


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
        half, cos, sin = self.half, np.cos(self.heading), np.sin(self.heading)
        zero = np.zeros_like(cos)
        right = np.stack([cos, zero, -sin], axis=1) * half[:, :1]
        up = np.stack([zero, zero + 1, zero], axis=1) * half[:, 1:2]
        forward = np.stack([sin, zero, cos], axis=1) * half[:, 2:]
        return np.stack([right, up, forward], axis=1)

    @cached_property
    def to_unit(self) -> FloatArray:
        """Matrices that take world offsets from the centre to the unit shape, (S, 3, 3)."""
        axes = self.axes / (self.axes**2).sum(axis=2, keepdims=True)
        order = AXIS_ORDER[self.axis]
        matrices: FloatArray = np.take_along_axis(axes, order[:, :, None], axis=1)
        return matrices

    @cached_property
    def half(self) -> FloatArray:
        """Half sizes to the right, up and forward, (S, 3)."""
        return self._column("half")

    @cached_property
    def corners(self) -> FloatArray:
        """Corners of the bounding boxes in the world, (S, 8, 3)."""
        signs = np.array(list(product((-1, 1), repeat=3)), dtype=np.float32)
        return self.centre[:, None] + signs @ self.axes

    @cached_property
    def heading(self) -> FloatArray:
        """Rotations about the vertical in radians, (S,)."""
        return self._column("heading")

    @cached_property
    def axis(self) -> IntArray:
        """Directions of the unit shapes' y axes, (S,)."""
        return self._column("axis").astype(np.int32)

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
        return np.array([SHAPE_NUMBER[id(solid.shape)] for solid in self.solids], dtype=np.int32)

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
